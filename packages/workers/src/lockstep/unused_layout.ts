/**
 * Which operations of a layout nothing depends on that is left of the programs: ranges of pages that nobody touches. Where an operation works on
 * whole address spaces, everything is needed.
 */
import { type Op, opName, opPages } from '../program/op.ts';

/** Operations that name a page or a range, and nothing else of the address space. */
const LOCAL = new Set([
  ...['read', 'write', 'kernel_read', 'kernel_write', 'remote_read', 'remote_write', 'mmap', 'munmap', 'mprotect', 'mremap', 'madvise'],
  ...['mlock', 'munlock', 'msync', 'read_range', 'pin_range', 'move_pages', 'to_device', 'exclusive', 'numa_hints', 'fork_check'],
  ...['nop', 'yield', 'signal', 'count_locked', 'count_busted', 'map_anywhere', 'grow_stack', 'brk'],
]);

/** @returns positions in the layout */
export function unusedLayout(layout: readonly Op[], left: readonly Op[]): number[] {
  if (left.some(({ kind }) => !LOCAL.has(opName(kind)))) return [];
  const touched = left.flatMap(opPages);
  return layout.flatMap((op, position) => {
    const ranges = opPages(op);
    const isUsed = ranges.length === 0 || ranges.some((one) => touched.some((other) => overlap(one, other)));
    return isUsed ? [] : [position];
  });
}

type Range = readonly [start: number, pages: number];

const overlap = ([start, pages]: Range, [otherStart, otherPages]: Range): boolean =>
  start < otherStart + otherPages && otherStart < start + pages;

/**
 * Which pages an operation works on, told from its arguments and its result alone.
 * Next: layout.ts
 */

import type { AreaRecord, SysArgs } from './events.ts';
import { ERRNO_MIN, MREMAP_DONTUNMAP, pageAfter, pageOf } from './events.ts';
import type { CallDetail, Detail } from './timeline.ts';

/** Pages [start, end). */
export interface PageRange {
  readonly start: number;
  readonly end: number;
}

const EMPTY: PageRange = { start: 0, end: 0 };

export const succeeded = ({ result }: CallDetail): boolean => result >= 0 || result < ERRNO_MIN;

/** The pages that hold `len` bytes from `start` on. Lengths that no call can mean give an empty range. */
export function pagesFrom(start: number, len: number): PageRange {
  return start >= 0 && len > 0 ? { start: pageOf(start), end: pageAfter(start + len) } : EMPTY;
}

export const pagesOfArea = ({ start, len }: AreaRecord): PageRange => pagesFrom(start, len);

export const overlaps = (a: PageRange, b: PageRange): boolean => a.start < b.end && b.start < a.end;

/** What exists after the call because of it: a new mapping, the target of a move, the grown part of the heap. */
export function createdBy(detail: Detail): PageRange {
  if (detail.kind === 'area') return pagesOfArea(detail.record);
  if (detail.kind !== 'call' || !succeeded(detail)) return EMPTY;
  const { args, result } = detail;
  if (args.call === 'mmap') return pagesFrom(result, args.len);
  if (args.call === 'mremap') return pagesFrom(result, args.new_len);
  if (args.call === 'brk' && result > detail.brkBefore) return heapBetween(detail.brkBefore, result);
  return EMPTY;
}

/** What does not exist any more after the call because of it, as long as nothing was created there. */
export function removedBy(detail: Detail): PageRange {
  if (detail.kind !== 'call' || !succeeded(detail)) return EMPTY;
  const { args, result } = detail;
  if (args.call === 'munmap') return pagesFrom(args.addr, args.len);
  if (args.call === 'mremap') return (args.flags & MREMAP_DONTUNMAP) !== 0 ? EMPTY : pagesFrom(args.addr, args.old_len);
  if (args.call === 'brk' && result < detail.brkBefore) return heapBetween(result, detail.brkBefore);
  return EMPTY;
}

/** What the call was asked to work on, whether or not it succeeded. */
export function requestedBy(args: SysArgs): PageRange {
  switch (args.call) {
    case 'mmap':
      return pagesFrom(args.addr, args.addr > 0 ? args.len : 0);
    case 'munmap':
      return pagesFrom(args.addr, args.len);
    case 'mprotect':
      return pagesFrom(args.start, args.len);
    case 'mremap':
      return pagesFrom(args.addr, args.old_len);
    case 'madvise':
      return pagesFrom(args.start, args.len_in);
    case 'brk':
      return EMPTY;
  }
}

/** Every range that a later fault has to see changed, and before which earlier faults there have to be served. */
export function touchedBy(detail: Detail): PageRange[] {
  const ranges = [createdBy(detail), removedBy(detail)];
  if (detail.kind === 'call' && detail.args.call !== 'mmap') ranges.push(requestedBy(detail.args));
  return ranges.filter(({ start, end }) => start < end);
}

const heapBetween = (low: number, high: number): PageRange => ({ start: pageAfter(low), end: pageAfter(high) });

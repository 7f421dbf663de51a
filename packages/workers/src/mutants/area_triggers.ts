/**
 * Trigger programs for what happens to areas: two or three CPUs, one hot area, and nothing else, so that few steps are enough. The right model
 * runs them without a word; a mutant trips over one of them. They serve the free-running engine and the one that orders every step.
 * Next: hunts.ts says which mutant is hunted with which
 */
import { MADV_DONTNEED, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PROT_NONE } from '@faultlab/core/mm/mman';
import { type Op, op } from '../program/op.ts';
import type { FileUse, Program, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, PRIVATE_FIXED, READ_ONLY, READ_WRITE, rangeStart } from '../scenarios/layout.ts';
import { DISK, diskFile } from '../scenarios/storage.ts';

const PAGES = 4;

/** Pages that everybody reads, writes, maps and throws away. */
const hot = (index: number, pages: number): Region => ({
  name: `hot ${index}`,
  start: rangeStart(index),
  pages,
  initial: READ_WRITE,
  layout: 'shared',
  discards: 'shared',
  writes: 'all',
});

const HOT = hot(0, PAGES);
const ELSEWHERE = hot(1, PAGES);

const touches: Program['body'] = {
  draw: [
    { op: 'write', region: 0, weight: 3 },
    { op: 'read', region: 0, weight: 2 },
  ],
};
const touchesFresh: Program['body'] = {
  draw: [
    { op: 'write', region: 0, weight: 3 },
    { op: 'read', region: 0, weight: 2 },
    { op: 'madvise', region: 0, weight: 2, pages: 'whole', choices: [MADV_DONTNEED] },
  ],
};

/** CPU 0 repeats the calls; the others touch the pages. */
function callsAgainstTouches(name: string, story: string, regions: readonly Region[], calls: readonly Op[], others = touches): Scenario {
  return {
    name,
    story,
    mustSee: [],
    cpusMin: 2,
    setup: () => [mapRegion(regions[0] as Region)],
    program: (cpu) => ({ regions, body: cpu === 0 ? { list: calls } : others }),
  };
}

const remap = [op('munmap', HOT.start, PAGES), op('mmap', HOT.start, PAGES, READ_WRITE, PRIVATE_FIXED)];

export const mapAndUnmap: Scenario = callsAgainstTouches('map_and_unmap', 'an area comes and goes under its users', [HOT], remap);

export const protectAndTouch: Scenario = callsAgainstTouches(
  'protect_and_touch',
  'an area is protected and released under those who touch fresh pages of it',
  [HOT],
  [READ_ONLY, READ_WRITE, PROT_NONE, READ_WRITE].map((prot) => op('mprotect', HOT.start, PAGES, prot)),
  touchesFresh,
);

export const moveAndKeep: Scenario = callsAgainstTouches(
  'move_and_keep',
  'the pages of an area move away, and it stays without them, under its writers',
  [HOT, ELSEWHERE],
  [
    op('mremap', HOT.start, PAGES, PAGES, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, ELSEWHERE.start),
    op('munmap', ELSEWHERE.start, PAGES),
    op('yield'),
  ],
);

const FILE: FileUse = { name: 'shortened file', pages: PAGES, initial: 'token', writes: 'all', discards: 'shared' };
const view = (index: number, shared: boolean): Region => ({ ...hot(index, PAGES), backing: { file: 0, offset: 0, shared } });

/** CPU 0 makes the file shorter and longer. */
const shortens: Program['body'] = { list: [op('truncate', 0, 0), op('truncate', 0, PAGES)] };

export const truncatedCopies: Scenario = {
  name: 'truncated_copies',
  story: 'a file gets shorter while private copies of its pages are made',
  mustSee: [],
  cpusMin: 2,
  devices: [DISK],
  files: () => [diskFile(PAGES)],
  setup: () => [mapRegion(view(0, false))],
  program: (cpu) => ({ files: [FILE], regions: [view(0, false)], body: cpu === 0 ? shortens : touches }),
};

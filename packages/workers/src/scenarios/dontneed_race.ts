/**
 * Contents are thrown away under the fault that brings them in; the areas stay.
 *
 *   CPU 0: write page 3                       CPU 1: MADV_DONTNEED 0..7
 *   1 allocates a frame
 *   2 ptl, installs, writes S
 *                                             3 ptl, takes the entry out, flushes TLBs, frees the frame
 *   4 reads 0  <- decides: never S again, and never the next owner's content
 */
import { MADV_DONTNEED, MADV_FREE, MADV_POPULATE_READ, MADV_POPULATE_WRITE } from '@faultlab/core/mm/mman';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, READ_WRITE, striped } from './layout.ts';

const PAGES = 128;
const OWN = 64;
const shared = (cpu: number, cpus: number): Region => ({ ...striped('shared', 0, PAGES, cpu, cpus), discards: 'shared' });
const own = (cpu: number): Region => ownRange('own', 1, OWN, cpu, READ_WRITE);

export const dontneedRace: Scenario = {
  name: 'dontneed_race',
  story: "contents are thrown away while others bring them in; a page is never someone else's, and never back from the dead",
  mustSee: ['pgfault', 'anon_new_page', 'pgfree'],
  setup: ({ cpus }) => [mapRegion(shared(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }) => ({
    regions: [shared(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 30 },
        { op: 'read', region: 0, weight: 30 },
        { op: 'madvise', region: 0, weight: 6, pages: [1, 32], choices: [MADV_DONTNEED] },
        { op: 'madvise', region: 0, weight: 1, pages: [1, 16], choices: [MADV_POPULATE_READ, MADV_POPULATE_WRITE] },
        { op: 'write', region: 1, weight: 15 },
        { op: 'read', region: 1, weight: 15 },
        { op: 'madvise', region: 1, weight: 3, pages: [1, 32], choices: [MADV_DONTNEED, MADV_FREE] },
      ],
    },
  }),
};

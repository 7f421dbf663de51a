/**
 * Areas vanish and come back while others look them up without mmap_lock.
 *
 *   CPU 0: fault                              CPU 1: munmap, mmap
 *   1 finds the area in the tree
 *                                             2 waits for its readers, detaches it, frees the slot
 *                                             3 a new area takes the same slot
 *   4 tries to pin what it found  <- decides: detached, or another area: look again
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, PRIVATE_FIXED, READ_WRITE, striped } from './layout.ts';

const PAGES = 256;
const gone = (cpu: number, cpus: number): Region => ({ ...striped('gone', 0, PAGES, cpu, cpus), layout: 'shared', discards: 'shared' });

export const munmapStorm: Scenario = {
  name: 'munmap_storm',
  story: 'areas are unmapped and mapped again under lookups without mmap_lock; what was unmapped stays gone',
  mustSee: ['pgfault', 'mmap_write_acquired', 'mmap_downgraded', 'vma_write_locked'],
  setup: ({ cpus }) => [mapRegion(gone(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [gone(cpu, cpus)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 30 },
        { op: 'read', region: 0, weight: 20 },
        { op: 'munmap', region: 0, weight: 2, pages: [1, 48] },
        { op: 'mmap', region: 0, weight: 3, pages: [1, 64], choices: [READ_WRITE], flags: PRIVATE_FIXED },
      ],
    },
  }),
};

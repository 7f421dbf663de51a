/**
 * Writers flip the protection of ranges under the faults of others.
 *
 *   CPU 0: write page 5                       CPU 1: mprotect 0..15 READ
 *   1 area is writable
 *                                             2 waits for the readers of the area, changes it
 *                                             3 takes the write bit out of the entries, flushes TLBs
 *   4 writes  <- decides: a signal, or the write is there for good
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const PAGES = 256;
const flip = (cpu: number, cpus: number): Region => ({ ...striped('flip', 0, PAGES, cpu, cpus), layout: 'shared' });

export const mprotectStorm: Scenario = {
  name: 'mprotect_storm',
  story: 'protections change under faulting CPUs; no write may get through a read-only area, and none may be lost',
  mustSee: ['pgfault', 'mmap_write_acquired', 'vma_write_locked', 'vma_split', 'vma_merged'],
  setup: ({ cpus }) => [mapRegion(flip(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [flip(cpu, cpus)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 40 },
        { op: 'read', region: 0, weight: 30 },
        { op: 'mprotect', region: 0, weight: 3, pages: [1, 64], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
        { op: 'mprotect', region: 0, weight: 1, pages: 'whole', choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
      ],
    },
  }),
};

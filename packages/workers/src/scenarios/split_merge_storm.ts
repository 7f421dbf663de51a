/**
 * Areas are cut and joined all the time: one shared mosaic, and one of each CPU's own, of which it knows every tile.
 *
 *   | rw rw rw rw rw rw rw rw |     mprotect 2..3 r        3 areas
 *   | rw rw | r  r | rw rw rw |     mprotect 2..3 rw       1 area again
 *   | rw rw rw | .  . | rw rw |     munmap, mremap         holes, and pages that moved
 */
import { MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MREMAP_FIXED, MREMAP_MAYMOVE } from '@faultlab/core/mm/mman';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const PAGES = 128;
const OWN = 64;
const mosaic = (cpu: number, cpus: number): Region => ({ ...striped('mosaic', 0, PAGES, cpu, cpus), layout: 'shared' });
const own = (cpu: number): Region => ownRange('own', 1, OWN, cpu, READ_WRITE);

export const splitMergeStorm: Scenario = {
  name: 'split_merge_storm',
  story: 'areas are cut, joined, moved and flagged while they are in use',
  mustSee: ['vma_split', 'vma_merged', 'mmap_write_acquired', 'pgfault'],
  setup: ({ cpus }) => [mapRegion(mosaic(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }) => ({
    regions: [mosaic(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 10 },
        { op: 'write', region: 0, weight: 10 },
        { op: 'mprotect', region: 0, weight: 6, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
        { op: 'madvise', region: 0, weight: 2, pages: [1, 32], choices: [MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_DODUMP] },
        { op: 'read', region: 1, weight: 15 },
        { op: 'write', region: 1, weight: 15 },
        { op: 'mprotect', region: 1, weight: 6, pages: [1, 16], choices: [READ_ONLY, READ_WRITE, 0] },
        { op: 'munmap', region: 1, weight: 3, pages: [1, 8] },
        { op: 'mmap', region: 1, weight: 6, pages: [1, 24], choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags: PRIVATE_FIXED },
        { op: 'mremap', region: 1, weight: 3, pages: [1, 8], flags: MREMAP_MAYMOVE | MREMAP_FIXED },
        { op: 'mlock', region: 1, weight: 1, pages: [1, 8] },
        { op: 'munlock', region: 1, weight: 2, pages: [1, 32] },
      ],
    },
  }),
};

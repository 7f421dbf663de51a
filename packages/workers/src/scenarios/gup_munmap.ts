/**
 * Pages are pinned and read through the page tables in whole ranges while the areas there, anonymous and of files, are unmapped and mapped again.
 *
 *   debugger                                  owner
 *   pins pages 0-7: faults page 5 in
 *   drops mmap_lock for the I/O
 *                                             munmap 0-15, mmap
 *   comes back: the area is another one       <- decides: it takes what is there now, or says EFAULT
 *   uses its pins                             the frames it has are nobody else's until it lets go
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapFlags, mapRegion, PRIVATE_FIXED, READ_ONLY, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 64;
const file = (cpu: number, cpus: number): FileUse => stripedFile('pinned file', PAGES, cpu, cpus);
const view = (cpu: number, cpus: number): Region => ({ ...sharedView(file(cpu, cpus), 0, 0), layout: 'shared' });
const memory = (cpu: number, cpus: number): Region => ({ ...striped('memory', 1, PAGES, cpu, cpus), layout: 'shared', discards: 'shared' });

export const gupMunmap: Scenario = {
  name: 'gup_munmap',
  story: 'ranges are pinned and read through page tables while their areas are unmapped and their files evicted',
  mustSee: ['faults_gup', 'mmap_write_acquired', 'pgmajfault'],
  devices: [DISK],
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [mapRegion(view(0, cpus)), mapRegion(memory(0, cpus))],
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [view(cpu, cpus), memory(cpu, cpus)],
    body: {
      draw: [
        { op: 'read_range', region: 0, weight: 10, pages: [1, 16] },
        { op: 'read_range', region: 1, weight: 10, pages: [1, 16] },
        { op: 'pin_range', region: 0, weight: 5, pages: [1, 16] },
        { op: 'pin_range', region: 1, weight: 5, pages: [1, 16] },
        { op: 'write', region: 0, weight: 6 },
        { op: 'remote_write', region: 0, weight: 4 },
        { op: 'write', region: 1, weight: 10 },
        { op: 'remote_write', region: 1, weight: 4 },
        { op: 'munmap', region: 0, weight: 1, pages: [1, 32] },
        { op: 'mmap', region: 0, weight: 3, pages: [1, 48], choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags: mapFlags(view(0, cpus)) },
        { op: 'munmap', region: 1, weight: 1, pages: [1, 32] },
        { op: 'mmap', region: 1, weight: 3, pages: [1, 48], choices: [READ_WRITE, READ_WRITE, READ_ONLY], flags: PRIVATE_FIXED },
        { op: 'madvise', region: 0, weight: 2, pages: 'whole', choices: [MADV_DONTNEED] },
        { op: 'evict', file: 0, weight: 3 },
      ],
    },
  }),
};

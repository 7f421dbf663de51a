/**
 * Shared memory without a file, and files that live in memory: written through every mapping, punched, forked and swapped out.
 *
 *   faulting CPU                              punching CPU
 *                                             says which pages go
 *   fault on one of them: waits
 *                                             removes them, says that it is done
 *   goes on: a fresh page, zero               <- decides: not what was there before
 */
import { MADV_COLD, MADV_DONTNEED, MADV_PAGEOUT, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, READ_ONLY, READ_WRITE, sharedView, stripedFile } from './layout.ts';
import { memoryFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 64;
const OWN = 16;
const SHARED_ANONYMOUS = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
const kept = (cpu: number, cpus: number): FileUse => ({ ...stripedFile('kept', PAGES, cpu, cpus), initial: 'zero' });
const punched = (cpu: number, cpus: number): FileUse => ({ ...kept(cpu, cpus), name: 'punched', discards: 'shared' });
const views = (cpu: number, cpus: number): Region[] => [sharedView(kept(cpu, cpus), 0, 0), sharedView(punched(cpu, cpus), 1, 1)];
const own = (cpu: number): Region => ({ ...ownRange('own, shared', 2, OWN, cpu, READ_WRITE), sharedAnonymous: true });

export const shmemStorm: Scenario = {
  name: 'shmem_storm',
  story: 'shared memory is written, punched, forked and swapped out; every address space sees the same',
  mustSee: ['shmem_faults', 'folio_truncated', 'pswpout', 'pswpin'],
  devices: [SWAP_DISK],
  swaps: [SWAP],
  files: ({ cpus }) => [memoryFile(kept(0, cpus).pages), memoryFile(punched(0, cpus).pages)],
  setup: ({ cpus }) => [...views(0, cpus), ...everyCpu(cpus).map(own)].map((region) => mapRegion(region)),
  program: (cpu, { cpus }) => ({
    files: [kept(cpu, cpus), punched(cpu, cpus)],
    regions: [...views(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 12 },
        { op: 'read', region: 0, weight: 12 },
        { op: 'write', region: 1, weight: 12 },
        { op: 'read', region: 1, weight: 12 },
        { op: 'kernel_read', region: 0, weight: 2 },
        { op: 'remote_write', region: 1, weight: 2 },
        { op: 'fread', file: 0, weight: 3 },
        { op: 'fwrite', file: 0, weight: 3 },
        { op: 'fread', file: 1, weight: 2 },
        { op: 'punch', file: 1, weight: 3, pages: [1, 16] },
        { op: 'madvise', region: 0, weight: 3, pages: [1, 32], choices: [MADV_PAGEOUT, MADV_PAGEOUT, MADV_DONTNEED, MADV_COLD] },
        { op: 'madvise', region: 1, weight: 2, pages: [1, 32], choices: [MADV_PAGEOUT, MADV_DONTNEED] },
        { op: 'write', region: 2, weight: 8 },
        { op: 'read', region: 2, weight: 8 },
        { op: 'madvise', region: 2, weight: 2, pages: [1, OWN], choices: [MADV_DONTNEED, MADV_PAGEOUT] },
        { op: 'mmap', region: 2, weight: 1, pages: [1, OWN], choices: [READ_WRITE, READ_ONLY], flags: SHARED_ANONYMOUS },
        { op: 'fork_check', region: 2, weight: 1, pages: 'whole' },
        { op: 'fork_give', weight: 1 },
        { op: 'adopt', weight: 2 },
      ],
    },
  }),
};

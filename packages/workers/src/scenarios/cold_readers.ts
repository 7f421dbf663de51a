/**
 * Readers of a file that is thrown out of memory again and again, while others change the address space.
 *
 *   reader                                    mapping writer
 *   fault: the page is not in memory
 *   starts the read, drops its lock, sleeps
 *                                             munmap, mmap: mmap_lock for writing, nobody in the way
 *   woken: the page is up to date
 *   comes back under a lock, looks again      <- decides: the area may be another one by now
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, privateView, READ_ONLY, READ_WRITE, sharedView, stripedFile } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 128;
const OWN = 32;
const file = (cpu: number, cpus: number): FileUse => stripedFile('book', PAGES, cpu, cpus);
const shared = (cpu: number, cpus: number): Region => sharedView(file(cpu, cpus), 0, 0);
const copies = (cpu: number, cpus: number): Region => privateView(file(cpu, cpus), 0, 1, cpu, cpus);
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);

export const coldReaders: Scenario = {
  name: 'cold_readers',
  story: 'pages of a file are read from its device while areas change and the file is evicted again and again',
  mustSee: ['pgmajfault', 'filemap_faults', 'pgpgin', 'lock_dropped_for_io', 'faults_retried_vma', 'reacquired', 'mmap_write_acquired'],
  devices: [DISK],
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [mapRegion(shared(0, cpus)), mapRegion(copies(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [shared(cpu, cpus), copies(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 30 },
        { op: 'read', region: 1, weight: 15 },
        { op: 'kernel_read', region: 0, weight: 3 },
        { op: 'fread', file: 0, weight: 3 },
        { op: 'madvise', region: 0, weight: 2, pages: 'whole', choices: [MADV_DONTNEED] },
        { op: 'madvise', region: 1, weight: 2, pages: 'whole', choices: [MADV_DONTNEED] },
        { op: 'evict', file: 0, weight: 6 },
        { op: 'write', region: 2, weight: 4 },
        { op: 'mprotect', region: 2, weight: 2, pages: [1, 16], choices: [READ_ONLY, READ_WRITE] },
        { op: 'munmap', region: 2, weight: 1, pages: [1, 16] },
        { op: 'mmap', region: 2, weight: 2, pages: [1, 24], choices: [READ_WRITE], flags: PRIVATE_FIXED },
      ],
    },
  }),
};

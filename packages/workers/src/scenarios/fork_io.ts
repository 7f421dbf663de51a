/**
 * Address spaces are copied while their pages are on the way: from a file, to swap, and back.
 *
 *   forking CPU                               faulting CPU
 *                                             reads page 3 from swap, sleeps without a lock
 *   copies page tables: entry of page 3
 *                                             woken: maps page 3
 *   the child faults on page 3: the entry     <- decides: a copy of its own, or the same frame, with the right content
 */
import { MADV_DONTNEED, MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, privateView, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 32;
const file = (cpu: number, cpus: number): FileUse => stripedFile('copied file', PAGES, cpu, cpus);
const regions = (cpu: number, cpus: number): Region[] => [
  striped('memory', 0, PAGES, cpu, cpus),
  privateView(file(cpu, cpus), 0, 1, cpu, cpus),
  sharedView(file(cpu, cpus), 0, 2),
];

export const forkIo: Scenario = {
  name: 'fork_io',
  story: 'address spaces are forked while pages come from a file and from swap; each side sees what was there',
  mustSee: ['pgmajfault', 'pswpin', 'wp_copy', 'filemap_faults'],
  devices: [DISK, SWAP_DISK],
  swaps: [{ ...SWAP, device: 1 }],
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => regions(0, cpus).map((region) => mapRegion(region)),
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: regions(cpu, cpus),
    body: {
      draw: [
        ...[0, 1, 2].flatMap((region) => [
          { op: 'write', region, weight: 8 } as const,
          { op: 'read', region, weight: 8 } as const,
          { op: 'fork_check', region, weight: 1, pages: 'whole' } as const,
        ]),
        { op: 'fork_give', weight: 1 },
        { op: 'adopt', weight: 2 },
        { op: 'madvise', region: 0, weight: 4, pages: [1, PAGES], choices: [MADV_PAGEOUT] },
        { op: 'madvise', region: 1, weight: 2, pages: [1, PAGES], choices: [MADV_PAGEOUT] },
        { op: 'madvise', region: 2, weight: 3, pages: 'whole', choices: [MADV_DONTNEED, MADV_PAGEOUT] },
        { op: 'fsync', file: 0, weight: 1 },
        { op: 'evict', file: 0, weight: 3 },
      ],
    },
  }),
};

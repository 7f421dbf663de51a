/**
 * Signals, fatal and not, arrive in every wait that a fault can be in: for a page of a file and of swap, for a handler, for a device, for write-back,
 * for locks.
 *
 *   waiting CPU                               signalling CPU
 *   fault: lock dropped, sleeps killably
 *                                             SIGUSR1: sleeps on, it is not fatal
 *                                             SIGKILL
 *   woken: leaves with what it has pinned     <- decides: nothing is leaked, and the others still get the page
 */
import { FILE_DRIVER } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED, MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { SIGKILL, SIGUSR1 } from '@faultlab/core/sched/task';
import { UFFDIO_REGISTER_MODE_MISSING } from '@faultlab/core/syscalls/userfaultfd_register';
import { op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, PRIVATE_FIXED, READ_ONLY, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 24;
const book = (cpu: number, cpus: number): FileUse => stripedFile('book', PAGES, cpu, cpus);
const buffer = (cpu: number, cpus: number): FileUse => stripedFile('buffer', PAGES, cpu, cpus);
const files = (cpu: number, cpus: number): FileUse[] => [book(cpu, cpus), buffer(cpu, cpus)];
const regions = (cpu: number, cpus: number): Region[] => [
  sharedView(book(cpu, cpus), 0, 0),
  sharedView(buffer(cpu, cpus), 1, 1),
  striped('swapped', 2, PAGES, cpu, cpus),
  { ...striped('served', 3, PAGES, cpu, cpus), discards: 'shared', fresh: 'fill' },
  { ...striped('changing', 4, PAGES, cpu, cpus), layout: 'shared', discards: 'shared' },
];
const ALL = [0, 1, 2, 3, 4];

export const signalWaits: Scenario = {
  name: 'signal_waits',
  story: 'fatal and other signals arrive in every wait of a fault: for files, swap, handlers, devices, write-back and locks',
  mustSee: ['pgmajfault', 'userfaults', 'driver_fence_waits', 'pswpin', 'mmap_write_acquired'],
  cpusMin: 2,
  devices: [DISK, SWAP_DISK],
  swaps: [{ ...SWAP, device: 1 }],
  sysctl: { dirtyBackground: 2, dirtyThresh: 6 },
  files: ({ cpus }) => [diskFile(book(0, cpus).pages), { pages: buffer(0, cpus).pages, kind: FILE_DRIVER }],
  setup: ({ cpus }) => {
    const served = regions(0, cpus)[3] as Region;
    return [
      ...regions(0, cpus).map((region) => mapRegion(region)),
      op('uffd_open'),
      op('uffd_register', served.start, served.pages, UFFDIO_REGISTER_MODE_MISSING),
    ];
  },
  program: (cpu, { cpus }) => {
    const known = { files: files(cpu, cpus), regions: regions(cpu, cpus), signals: true };
    if (cpu === cpus - 1) {
      const draw = [
        { op: 'uffd_serve', weight: 4 },
        { op: 'fence_work', file: 1, weight: 1 },
        { op: 'writeback', weight: 1 },
      ] as const;
      return { ...known, helper: true, body: { draw } };
    }
    return {
      ...known,
      body: {
        draw: [
          ...ALL.flatMap((region) => [
            { op: 'write', region, weight: 8 } as const,
            { op: 'read', region, weight: 8 } as const,
            { op: 'remote_read', region, weight: 1 } as const,
            { op: 'kernel_write', region, weight: 1 } as const,
          ]),
          { op: 'madvise', region: 0, weight: 3, pages: 'whole', choices: [MADV_DONTNEED] },
          { op: 'evict', file: 0, weight: 3 },
          { op: 'fread', file: 0, weight: 2 },
          { op: 'madvise', region: 1, weight: 2, pages: [1, PAGES], choices: [MADV_DONTNEED] },
          { op: 'madvise', region: 2, weight: 4, pages: [1, PAGES], choices: [MADV_PAGEOUT] },
          { op: 'madvise', region: 3, weight: 3, pages: [1, PAGES], choices: [MADV_DONTNEED] },
          { op: 'mprotect', region: 4, weight: 3, pages: [1, 16], choices: [READ_ONLY, READ_WRITE] },
          { op: 'mmap', region: 4, weight: 2, pages: [1, PAGES], choices: [READ_WRITE], flags: PRIVATE_FIXED },
          { op: 'signal', weight: 12, choices: [SIGKILL, SIGKILL, SIGUSR1] },
        ],
      },
    };
  },
};

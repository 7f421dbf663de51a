/**
 * Every kind of fault while pages are reclaimed: files, copies, shared memory, swap, pages under way between frames and devices, and pages from a handler.
 *
 *   faulting CPU                              CPU over its limit
 *   fault: finds the page, takes a reference
 *                                             isolates it, unmaps it everywhere, freezes its count  <- decides: fails, because of the reference;
 *   locks the page: is it still the one?         or succeeds before it was taken, and then the fault looks again
 */
import { MADV_COLD, MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_WILLNEED } from '@faultlab/core/mm/mman';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP } from '@faultlab/core/syscalls/userfaultfd_register';
import { op } from '../program/op.ts';
import type { DrawRule, FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import {
  everyCpu,
  mapRegion,
  ownRange,
  PRIVATE_FIXED,
  privateView,
  READ_ONLY,
  READ_WRITE,
  sharedView,
  striped,
  stripedFile,
} from './layout.ts';
import { DISK, diskFile, memoryFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 64;
const OWN = 24;
/** What the cgroup may hold: about half of what is used, and of it what each CPU needs at a time. */
const MOST = 150;
const MOST_PER_CPU = 16;
/** Above this share of it whoever charges reclaims before it goes on. */
const HIGH = 0.9;
const MODE = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;

const disk = (cpu: number, cpus: number): FileUse => stripedFile('disk file', PAGES, cpu, cpus);
const shmem = (cpu: number, cpus: number): FileUse => ({ ...stripedFile('shared memory', PAGES, cpu, cpus), initial: 'zero' });
const [SHARED, COPIES, SHMEM, COMMON, SERVED, MINE] = [0, 1, 2, 3, 4, 5];
const common = (cpu: number, cpus: number): Region[] => [
  sharedView(disk(cpu, cpus), 0, 0),
  privateView(disk(cpu, cpus), 0, 1, cpu, cpus),
  sharedView(shmem(cpu, cpus), 1, 2),
  striped('memory', 3, PAGES, cpu, cpus),
  { ...striped('served', 4, OWN, cpu, cpus), discards: 'shared', fresh: 'fill' },
];
const own = (cpu: number): Region => ownRange('own', 5, OWN, cpu, READ_WRITE);

const touches = (region: number, weight: number): DrawRule[] => [
  { op: 'read', region, weight },
  { op: 'write', region, weight },
  { op: 'kernel_read', region, weight: 1 },
  { op: 'remote_write', region, weight: 1 },
];

const DRAW: readonly DrawRule[] = [
  ...[SHARED, COPIES, SHMEM, COMMON].flatMap((region) => touches(region, 12)),
  ...touches(SERVED, 5),
  { op: 'read', region: MINE, weight: 10 },
  { op: 'write', region: MINE, weight: 10 },
  { op: 'fread', file: 0, weight: 4 },
  { op: 'fwrite', file: 0, weight: 2 },
  { op: 'fread', file: 1, weight: 2 },
  { op: 'fsync', file: 0, weight: 1 },
  { op: 'move_pages', region: COMMON, weight: 3, pages: [1, 4] },
  { op: 'to_device', region: COMMON, weight: 2, pages: [1, 4] },
  { op: 'exclusive', region: COMMON, weight: 2, pages: [1, 4] },
  { op: 'numa_hints', region: COMMON, weight: 2, pages: [1, 8] },
  { op: 'pin_range', region: SHARED, weight: 1, pages: [1, 4] },
  { op: 'read_range', region: COMMON, weight: 2, pages: [1, 8] },
  { op: 'fork_check', region: COMMON, weight: 1, pages: [1, 16] },
  { op: 'madvise', region: COMMON, weight: 2, pages: [1, 16], choices: [MADV_COLD, MADV_WILLNEED, MADV_PAGEOUT] },
  { op: 'madvise', region: SERVED, weight: 2, pages: [1, 8], choices: [MADV_DONTNEED] },
  { op: 'madvise', region: MINE, weight: 2, pages: [1, 8], choices: [MADV_FREE, MADV_DONTNEED, MADV_PAGEOUT] },
  { op: 'mprotect', region: MINE, weight: 2, pages: [1, 8], choices: [READ_ONLY, READ_WRITE, READ_WRITE] },
  { op: 'munmap', region: MINE, weight: 1, pages: [1, 8] },
  { op: 'mmap', region: MINE, weight: 2, pages: [1, 16], choices: [READ_WRITE], flags: PRIVATE_FIXED },
];

export const reclaimVsFaults: Scenario = {
  name: 'reclaim_vs_faults',
  story: 'pages are reclaimed by age under every kind of fault: of files, copies, shared memory, swap, migration, devices and a handler',
  mustSee: ['pgscan_direct', 'pgsteal_direct', 'pswpout', 'pswpin', 'pgmajfault', 'shmem_faults', 'wp_copy', 'page_mkwrite'],
  cpusMin: 2,
  devices: [DISK, SWAP_DISK],
  swaps: [{ ...SWAP, device: 1 }],
  background: ['writeback', 'kswapd'],
  sysctl: ({ cpus }) => {
    const memoryMax = MOST + MOST_PER_CPU * cpus;
    return { lru: 1, memoryMax, memoryHigh: Math.floor(memoryMax * HIGH), numaMisplaced: 1, dirtyBackground: 8, dirtyThresh: 32 };
  },
  files: ({ cpus }) => [diskFile(disk(0, cpus).pages), memoryFile(shmem(0, cpus).pages)],
  setup: ({ cpus }) => {
    const served = common(0, cpus)[SERVED as number] as Region;
    return [
      ...[...common(0, cpus), ...everyCpu(cpus).map(own)].map((region) => mapRegion(region)),
      op('uffd_open'),
      op('uffd_register', served.start, served.pages, MODE),
    ];
  },
  program: (cpu, { cpus }) => {
    const known = { files: [disk(cpu, cpus), shmem(cpu, cpus)], regions: [...common(cpu, cpus), own(cpu)] };
    if (cpu < cpus - 1) return { ...known, body: { draw: DRAW } };
    return {
      ...known,
      helper: true,
      body: {
        draw: [
          { op: 'uffd_serve', weight: 20 },
          { op: 'uffd_wp', region: SERVED as number, weight: 1, pages: [1, 8], choices: [1, 0] },
        ],
      },
    };
  },
};

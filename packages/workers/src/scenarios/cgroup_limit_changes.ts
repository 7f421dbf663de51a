/**
 * The limit of a memory cgroup goes up and down while its tasks use what it no longer may hold.
 *
 *   administrator                             task
 *   the limit is lower from now on
 *                                             charges a page: over the limit; reclaims, pages of others too
 *   the limit is higher again
 *                                             tries again  <- decides: the limit that there is now, not the one that it began with
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { DISK, diskFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 64;
const OWN = 32;
/** Of each CPU's own pages and of the common ones, in pages for each CPU and for all: from less than half to nearly all. */
const LEAST = { common: 48, each: 12 };
const MOST = { common: 120, each: 32 };

const file = (cpu: number, cpus: number): FileUse => stripedFile('book', PAGES, cpu, cpus);
const common = (cpu: number, cpus: number): Region[] => [sharedView(file(cpu, cpus), 0, 0), striped('memory', 1, PAGES, cpu, cpus)];
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);
const limit = ({ common: shared, each }: typeof LEAST, cpus: number): number => shared + each * cpus;

export const cgroupLimitChanges: Scenario = {
  name: 'cgroup_limit_changes',
  story: 'the limit of a memory cgroup is lowered and raised while its tasks fault; they reclaim what is too much, and lose nothing',
  mustSee: ['pgscan_direct', 'pgsteal_direct', 'pswpout', 'pswpin', 'pgmajfault'],
  devices: [DISK, SWAP_DISK],
  swaps: [{ ...SWAP, device: 1 }],
  background: ['writeback'],
  sysctl: ({ cpus }) => ({ lru: 1, memoryMax: limit(MOST, cpus), dirtyBackground: 8, dirtyThresh: 32 }),
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) => [...common(0, cpus), ...everyCpu(cpus).map(own)].map((region) => mapRegion(region)),
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [...common(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'memory_max', weight: 1, pages: [limit(LEAST, cpus), limit(MOST, cpus)] },
        { op: 'read', region: 0, weight: 24 },
        { op: 'write', region: 0, weight: 4 },
        { op: 'fread', file: 0, weight: 4 },
        { op: 'read', region: 1, weight: 16 },
        { op: 'write', region: 1, weight: 16 },
        { op: 'kernel_write', region: 1, weight: 2 },
        { op: 'read', region: 2, weight: 12 },
        { op: 'write', region: 2, weight: 12 },
        { op: 'madvise', region: 2, weight: 1, pages: [1, 16], choices: [MADV_DONTNEED] },
        { op: 'munmap', region: 2, weight: 1, pages: [1, 8] },
        { op: 'mmap', region: 2, weight: 2, pages: [1, 16], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'fork_check', region: 1, weight: 1, pages: [1, 16] },
        { op: 'fsync', file: 0, weight: 1 },
      ],
    },
  }),
};

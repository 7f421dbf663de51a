/**
 * Processes of three memory cgroups, and threads of a fourth, while all limits change: a limit that is lowered is enforced by whoever lowers it, against
 * those who charge at the same time.
 *
 *   CPU 0, in cgroup 2                        CPU 1, in none of them
 *                                             1 max of cgroup 2: 64 -> 24
 *   2 charges a page: beyond max
 *   3 reclaims                                3 reclaims
 *   4 charges  <- decides: never beyond 24, however many try
 */
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, sharedView, striped, stripedFile } from './layout.ts';
import { diskFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 64;
/** Of the processes' cgroups. */
const GROUPS = [2, 3, 4];
const file = (cpu: number, cpus: number): FileUse => stripedFile('book', PAGES, cpu, cpus);
const view = (cpu: number, cpus: number): Region => sharedView(file(cpu, cpus), 0, 0);
const common = (cpu: number, cpus: number): Region => striped('common', 1, PAGES, cpu, cpus);

export const manyCgroups: Scenario = {
  name: 'many_cgroups',
  story: 'processes of several memory cgroups live and die while the limits of all cgroups change and caches are dropped',
  mustSee: ['pgscan_direct', 'pgsteal_direct', 'pswpout', 'drop_pagecache'],
  devices: [SWAP_DISK, { latency: 'fixed:100us' }],
  swaps: [SWAP],
  sysctl: ({ cpus }) => ({ lru: 1, memoryMax: 64 + cpus * 8, memoryHigh: 48 + cpus * 8, faultAroundPages: 1 }),
  memcgs: ({ cpus }) => GROUPS.map((_, position) => ({ max: (16 + 8 * position) * cpus, high: (12 + 8 * position) * cpus })),
  files: ({ cpus }) => [diskFile(file(0, cpus).pages, 1)],
  setup: ({ cpus }) => [mapRegion(view(0, cpus)), mapRegion(common(0, cpus))],
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [view(cpu, cpus), common(cpu, cpus)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 20 },
        { op: 'fread', file: 0, weight: 5 },
        { op: 'write', region: 1, weight: 15 },
        { op: 'read', region: 1, weight: 15 },
        { op: 'process_round', weight: 10, pages: [8, 32], choices: GROUPS },
        { op: 'fork_check', region: 1, weight: 1, pages: [1, 16] },
        { op: 'memory_max', weight: 2, pages: [24 + cpus * 8, 64 + cpus * 8], choices: [0, ...GROUPS] },
        { op: 'memory_high', weight: 2, pages: [24 + cpus * 8, 64 + cpus * 8], choices: [0, ...GROUPS] },
        { op: 'drop_caches', weight: 2, pages: [1, 3] },
      ],
    },
  }),
};

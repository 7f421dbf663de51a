/**
 * More pages are in use than the marks of the machine leave free: kswapd reclaims in the background, and the tasks themselves where it is too slow.
 *
 *   CPU 0                                     kswapd
 *   takes a frame: fewer than `low` are free
 *                                             unmaps a page that CPU 1 has just used, writes it to swap, frees it
 *   takes more: fewer than `min` are free
 *   reclaims itself                           <- decides: both walk the same lists, and each page is taken by one of them
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_WRITE, sharedView, striped, stripedFile } from './layout.ts';
import { diskFile, SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 96;
const OWN = 48;
/** Frames for each CPU above the marks: about half of what it would like to have. */
const HIGH = 80;
const LOW = 96;
const MIN = 112;

const file = (cpu: number, cpus: number): FileUse => stripedFile('book', PAGES * cpus, cpu, cpus);
const view = (cpu: number, cpus: number): Region => sharedView(file(cpu, cpus), 0, 0);
const common = (cpu: number, cpus: number): Region => striped('common', 1, PAGES, cpu, cpus);
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);

const pressure = (name: string, story: string, lruGen: number, mustSee: readonly CounterName[]): Scenario => ({
  name,
  story,
  mustSee: ['pageoutrun', 'pgscan_kswapd', 'pgsteal_kswapd', 'pgmajfault', ...mustSee],
  devices: [SWAP_DISK, { latency: 'fixed:100us' }],
  swaps: [SWAP],
  background: ['kswapd'],
  sysctl: ({ cpus, frames }) => ({
    lru: 1,
    lruGen,
    faultAroundPages: 4,
    watermarkHigh: Math.max(2, frames - cpus * HIGH),
    watermarkLow: Math.max(1, frames - cpus * LOW),
    watermarkMin: Math.max(0, frames - cpus * MIN),
  }),
  files: ({ cpus }) => [diskFile(file(0, cpus).pages, 1)],
  setup: ({ cpus }) => [view(0, cpus), common(0, cpus), ...everyCpu(cpus).map(own)].map((region) => mapRegion(region)),
  program: (cpu, { cpus }) => ({
    files: [file(cpu, cpus)],
    regions: [view(cpu, cpus), common(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 30 },
        { op: 'write', region: 0, weight: 2 },
        { op: 'fread', file: 0, weight: 6 },
        { op: 'fsync', file: 0, weight: 1 },
        { op: 'read', region: 1, weight: 15 },
        { op: 'write', region: 1, weight: 15 },
        { op: 'kernel_read', region: 1, weight: 2 },
        { op: 'write', region: 2, weight: 15 },
        { op: 'read', region: 2, weight: 15 },
        { op: 'madvise', region: 2, weight: 1, pages: [1, 16], choices: [MADV_DONTNEED] },
        { op: 'munmap', region: 2, weight: 1, pages: [1, 8] },
        { op: 'mmap', region: 2, weight: 2, pages: [1, 16], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'fork_check', region: 1, weight: 1, pages: [1, 16] },
      ],
    },
  }),
});

export const kswapdPressure: Scenario = pressure(
  'kswapd_pressure',
  'the machine has too few frames: they are reclaimed in the background, and by the tasks where that is too slow',
  0,
  [],
);
export const lruGenPressure: Scenario = pressure(
  'lru_gen_pressure',
  'the same with pages in generations: what was used is found by walks through page tables, under mmap_lock',
  3,
  ['lru_gen_aged', 'lru_gen_mm_walked', 'lru_gen_young'],
);

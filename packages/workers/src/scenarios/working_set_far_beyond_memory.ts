/**
 * Everybody reads pages of one file at random, and the memory cgroup holds a sixteenth of them: nearly every fault waits for the device.
 *
 *   CPU 0                                     CPU 1
 *   fault: page 700 is not in memory
 *   waits for the device, which is busy
 *                                             the same with page 93: reclaims one that nobody will want for long
 *   the device is done with page 700          <- decides: nothing but the device; no policy makes it faster
 */
import { MADV_RANDOM } from '@faultlab/core/mm/mman';
import { op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario, ScenarioShape } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE } from './layout.ts';
import { diskFile } from './storage.ts';

const PAGES_PER_CPU = 256;
/** Room between two ranges is more than that. */
const PAGES_MAX = 4096;
/** The working set is so many times what the cgroup holds. */
const TIMES = 16;
const OWN = 8;
/** Slow, and few requests at a time, so that it is the device that everybody waits for also where CPUs are slow. */
const SLOW_DISK = { latency: 'fixed:5ms', queueDepth: 2 };

const pages = ({ cpus }: Pick<ScenarioShape, 'cpus'>): number => Math.min(PAGES_MAX, cpus * PAGES_PER_CPU);
const file = (cpus: number): FileUse => ({ name: 'library', pages: pages({ cpus }), initial: 'token', writes: 'none', discards: 'mine' });
const view = (cpus: number): Region => ({
  name: 'view of the library',
  start: ownRange('', 0, 0, 0, READ_ONLY).start,
  pages: pages({ cpus }),
  initial: READ_ONLY,
  layout: 'fixed',
  discards: 'mine',
  writes: 'none',
  backing: { file: 0, offset: 0, shared: true },
});
/** Areas that come and go, as in any process. */
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);

export const workingSetFarBeyondMemory: Scenario = {
  name: 'working_set_far_beyond_memory',
  story: 'pages of a file sixteen times as large as the memory limit are read at random; all wait for the device, whatever the policy',
  mustSee: ['pgmajfault', 'pgscan_direct', 'pgsteal_direct', 'mmap_write_acquired'],
  devices: [SLOW_DISK],
  sysctl: ({ cpus }) => ({ lru: 1, memoryMax: Math.ceil(pages({ cpus }) / TIMES) + cpus * OWN, faultAroundPages: 1 }),
  files: ({ cpus }) => [diskFile(pages({ cpus }))],
  setup: ({ cpus }) => [
    mapRegion(view(cpus), READ_ONLY),
    op('madvise', view(cpus).start, view(cpus).pages, MADV_RANDOM),
    ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu))),
  ],
  program: (cpu, { cpus }) => ({
    files: [file(cpus)],
    regions: [view(cpus), own(cpu)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 60 },
        { op: 'write', region: 1, weight: 2 },
        { op: 'munmap', region: 1, weight: 1, pages: [1, OWN] },
        { op: 'mmap', region: 1, weight: 2, pages: [1, OWN], choices: [READ_WRITE], flags: PRIVATE_FIXED },
      ],
    },
  }),
};

/**
 * Each CPU reads a file of its own through a mapping, again and again, in a memory cgroup that holds a little less than what they read.
 *
 *   CPU 0                                     CPU 1
 *   fault: the page is not in memory
 *   starts the read, drops its lock, sleeps
 *                                             needs a page, is over the limit: reclaims the oldest one, which is CPU 0's
 *   woken: the page is up to date
 *   comes back under a lock                   <- decides: the page is gone; another read, and this time the lock is held
 */

import { op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, READ_ONLY, rangeStart } from './layout.ts';
import { diskFile } from './storage.ts';

const PAGES = 32;
/** Of the working set. A file is read with one request, so it is also what the requests under way bring, and a page is old soon. */
const SHARE = 0.75;

const file = (cpu: number): FileUse => ({ name: `file of CPU ${cpu}`, pages: PAGES, initial: 'token', writes: 'none', discards: 'mine' });
const view = (cpu: number): Region => ({
  name: `view of the file of CPU ${cpu}`,
  start: rangeStart(cpu),
  pages: PAGES,
  initial: 'unmapped',
  layout: 'mine',
  discards: 'mine',
  writes: 'none',
  backing: { file: cpu, offset: 0, shared: true },
});

export const refaultThrash: Scenario = {
  name: 'refault_thrash',
  story: 'files larger than the memory limit are mapped, read and unmapped; pages go before the fault that read them comes back',
  mustSee: ['pgmajfault', 'pgscan_direct', 'pgsteal_direct', 'workingset_refault_file', 'lock_dropped_for_io'],
  devices: [{ latency: 'fixed:100us' }],
  sysctl: ({ cpus }) => ({ lru: 1, memoryMax: Math.floor(cpus * PAGES * SHARE), faultAroundPages: 1 }),
  files: ({ cpus }) => everyCpu(cpus).map(() => diskFile(PAGES)),
  setup: () => [],
  program: (cpu, { cpus }) => ({
    files: everyCpu(cpus).map(file),
    regions: [view(cpu)],
    body: {
      list: [
        mapRegion(view(cpu), READ_ONLY),
        ...Array.from({ length: PAGES }, (_, page) => op('read', view(cpu).start + page)),
        op('munmap', view(cpu).start, PAGES),
      ],
    },
  }),
};

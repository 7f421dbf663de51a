/**
 * The pages of a range come from another CPU, which answers the faults on them; and it takes the right to write away again.
 *
 *   faulting CPU                              handler
 *   fault: nothing there
 *   announces itself, drops its lock, sleeps
 *                                             reads the message
 *                                             copies a page in, wakes
 *   comes back under a lock, looks again      protects the page against writing
 *   writes: protected                         <- decides: a second hand-off; the write is not lost, and not made early
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import { UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP } from '@faultlab/core/syscalls/userfaultfd_register';
import { op } from '../program/op.ts';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_WRITE, striped } from './layout.ts';

const PAGES = 48;
const OWN = 16;
const MODE = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
/** Always registered: a fresh page holds what the handler puts there. */
const served = (cpu: number, cpus: number): Region => ({ ...striped('served', 0, PAGES, cpu, cpus), discards: 'shared', fresh: 'fill' });
/** Registered now and then: a fresh page is zero, or from the handler. */
const now = (cpu: number, cpus: number): Region => ({
  ...striped('now and then', 1, PAGES, cpu, cpus),
  discards: 'shared',
  fresh: 'either',
});
const own = (cpu: number): Region => ownRange('own', 2, OWN, cpu, READ_WRITE);

export const uffdHandoff: Scenario = {
  name: 'uffd_handoff',
  story: 'a handler on another CPU answers faults, write-protects pages and lets them go, while they are thrown away and areas change',
  mustSee: ['userfaults', 'userfault_handled', 'userfault_wakes'],
  cpusMin: 2,
  setup: ({ cpus }) => {
    const [one, other] = [served(0, cpus), now(0, cpus)];
    return [
      mapRegion(one),
      mapRegion(other),
      ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu))),
      op('uffd_open'),
      op('uffd_register', one.start, one.pages, MODE),
      op('uffd_register', other.start, other.pages, MODE),
    ];
  },
  program: (cpu, { cpus }) => {
    const regions = [served(cpu, cpus), now(cpu, cpus), own(cpu)];
    if (cpu === cpus - 1) {
      return {
        regions,
        helper: true,
        body: {
          draw: [
            { op: 'uffd_serve', weight: 60 },
            { op: 'uffd_wp', region: 0, weight: 2, pages: [1, 16], choices: [1, 0] },
            { op: 'uffd_wp', region: 1, weight: 2, pages: [1, 16], choices: [1, 0] },
            { op: 'uffd_unregister', region: 1, weight: 1, pages: 'whole' },
            { op: 'uffd_register', region: 1, weight: 2, pages: 'whole', choices: [MODE] },
          ],
        },
      };
    }
    return {
      regions,
      body: {
        draw: [
          { op: 'write', region: 0, weight: 15 },
          { op: 'read', region: 0, weight: 15 },
          { op: 'write', region: 1, weight: 10 },
          { op: 'read', region: 1, weight: 10 },
          { op: 'kernel_read', region: 0, weight: 2 },
          { op: 'kernel_write', region: 0, weight: 2 },
          { op: 'remote_read', region: 0, weight: 2 },
          { op: 'remote_write', region: 1, weight: 2 },
          { op: 'madvise', region: 0, weight: 3, pages: [1, 8], choices: [MADV_DONTNEED] },
          { op: 'madvise', region: 1, weight: 3, pages: [1, 8], choices: [MADV_DONTNEED] },
          { op: 'write', region: 2, weight: 4 },
          { op: 'munmap', region: 2, weight: 1, pages: [1, 8] },
          { op: 'mmap', region: 2, weight: 2, pages: [1, 12], choices: [READ_WRITE], flags: PRIVATE_FIXED },
        ],
      },
    };
  },
};

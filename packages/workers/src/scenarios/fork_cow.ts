/**
 * Address spaces are copied while other threads write to them.
 *
 *   parent                                    child
 *   page 7: A, writable
 *   fork: both entries read-only, frame shared
 *   writes B: copies the frame
 *                                             reads A  <- decides: the snapshot
 *                                             writes C: copies, or reuses the frame when it is the last user
 *   reads B
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, striped } from './layout.ts';

const PAGES = 64;
const shared = (cpu: number, cpus: number): Region => striped('shared', 0, PAGES, cpu, cpus);

export const forkCow: Scenario = {
  name: 'fork_cow',
  story: 'the address space is forked while everybody writes to it; each side keeps its own view',
  mustSee: ['pgfault', 'wp_copy', 'anon_new_page'],
  setup: ({ cpus }) => [mapRegion(shared(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [shared(cpu, cpus)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 60 },
        { op: 'read', region: 0, weight: 40 },
        { op: 'fork_check', region: 0, weight: 2, pages: 'whole' },
        { op: 'fork_give', weight: 1 },
        { op: 'adopt', weight: 2 },
      ],
    },
  }),
};

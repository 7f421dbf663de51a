/**
 * Stacks grow downwards by being touched: one that all CPUs share and that is replaced now and then, and many short-lived ones.
 *
 *   touch     | guard gap |. . . . . . . .|top|    one page is mapped
 *     `------------------------^                   the area grows down to the touched page:
 *                                                  the fault found no area above it, and comes back with mmap_lock for writing
 */
import { MAP_GROWSDOWN } from '@faultlab/core/mm/mman';
import { op } from '../program/op.ts';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { ownRange, PRIVATE_FIXED, READ_WRITE, rangeStart } from './layout.ts';

const PAGES = 256;
const OWN = 64;
const STACK: Region = {
  name: 'stack',
  start: rangeStart(0),
  pages: PAGES,
  initial: READ_WRITE,
  layout: 'shared',
  discards: 'shared',
  writes: 'all',
};
const TOP: Region = { ...STACK, name: 'top', start: STACK.start + PAGES - 1, pages: 1 };
const own = (cpu: number): Region => ownRange('own stack', 1, OWN, cpu, 'unmapped');

export const stackGrowth: Scenario = {
  name: 'stack_growth',
  story: 'stack areas grow downwards under the touches of several CPUs',
  mustSee: ['pgfault', 'stack_expanded', 'mmap_write_acquired'],
  setup: () => [op('mmap', TOP.start, 1, READ_WRITE, PRIVATE_FIXED | MAP_GROWSDOWN)],
  program: (cpu) => ({
    regions: [STACK, TOP, own(cpu)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 40 },
        { op: 'read', region: 0, weight: 20 },
        { op: 'munmap', region: 0, weight: 2, pages: 'whole' },
        { op: 'mmap', region: 1, weight: 3, pages: 'whole', choices: [READ_WRITE], flags: PRIVATE_FIXED | MAP_GROWSDOWN },
        { op: 'grow_stack', region: 2, weight: 5, pages: [8, OWN] },
      ],
    },
  }),
};

/**
 * Families of processes: children, grandchildren and theirs, which end in any order, while tasks of other CPUs are in them or look at them from outside.
 *
 *   CPU 0                                     CPU 1                             CPU 2
 *   A forks B, B forks C                      is a second task of A: faults     has a pin on A's record
 *   leaves A
 *                                             leaves A, the last one: exit
 *                                                                               no user any more: only the record is left
 *   the slot of A's areas is reborn as D's  <- decides: whoever still looks at them finds another process, and says so
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, striped } from './layout.ts';

const PAGES = 32;
const common = (cpu: number, cpus: number): Region => striped('common', 0, PAGES, cpu, cpus);

export const processTree: Scenario = {
  name: 'process_tree',
  story: 'families of processes end in any order while others run in them, or look at them from outside',
  mustSee: ['pgfault', 'wp_copy', 'mmap_write_acquired', 'faults_gup'],
  setup: ({ cpus }) => [mapRegion(common(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [common(cpu, cpus)],
    body: {
      draw: [
        { op: 'process_tree', weight: 6, pages: [1, 24], choices: [1, 2, 3, 4] },
        { op: 'visit', weight: 12 },
        { op: 'process_round', weight: 2, pages: [1, 12] },
        { op: 'map_anywhere', weight: 2, pages: [1, 16] },
        { op: 'fork_check', region: 0, weight: 1, pages: [1, PAGES] },
        { op: 'fork_give', weight: 2 },
        { op: 'adopt', weight: 3 },
        { op: 'write', region: 0, weight: 10 },
        { op: 'read', region: 0, weight: 10 },
      ],
    },
  }),
};

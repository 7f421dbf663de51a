/**
 * Processes are born and die while a common address space goes on: everything a process owned must come back.
 *
 *   CPU 0: process A: map, heap, fork, child, exit      CPU 1: takes over a child that CPU 2 forked, exits it
 *   the slots of dead processes are reborn as other processes
 */
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, striped } from './layout.ts';

const PAGES = 32;
const common = (cpu: number, cpus: number): Region => striped('common', 0, PAGES, cpu, cpus);

export const processChurn: Scenario = {
  name: 'process_churn',
  story: 'processes are born, fork and exit beside each other; nothing of them may be left',
  mustSee: ['pgfault', 'wp_copy', 'mmap_write_acquired'],
  setup: ({ cpus }) => [mapRegion(common(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [common(cpu, cpus)],
    body: {
      draw: [
        { op: 'process_round', weight: 4, pages: [1, 24] },
        { op: 'map_anywhere', weight: 4, pages: [1, 16] },
        { op: 'fork_give', weight: 2 },
        { op: 'adopt', weight: 3 },
        { op: 'write', region: 0, weight: 20 },
        { op: 'read', region: 0, weight: 20 },
      ],
    },
  }),
};

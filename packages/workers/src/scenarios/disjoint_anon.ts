/**
 * CPUs fault in different pages of one big area, and from time to time give their pages back.
 *
 *   CPU 0   | page 0 . . . page 4 . . . page 8
 *   CPU 1   |   . page 1 . . . page 5 . . .        one area, one page table, no page in common:
 *   CPU 2   |   . . page 2 . . . page 6 . .        nobody has a reason to wait for anybody
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { Program, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, READ_WRITE, striped } from './layout.ts';

const PAGES = 1024;
const OWN = 256;

const big = (cpu: number, cpus: number): Region => striped('big', 0, PAGES, cpu, cpus);
const own = (cpu: number): Region => ownRange('own', 1, OWN, cpu, READ_WRITE);

export const disjointAnon: Scenario = {
  name: 'disjoint_anon',
  story: 'CPUs fault in different pages of one area; nobody has a reason to wait',
  mustSee: ['pgfault', 'anon_new_page', 'anon_zero_page'],
  setup: ({ cpus }) => [mapRegion(big(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }): Program => ({
    regions: [big(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 30 },
        { op: 'read', region: 0, weight: 20 },
        { op: 'write', region: 1, weight: 30 },
        { op: 'read', region: 1, weight: 15 },
        { op: 'madvise', region: 1, weight: 5, pages: [8, 64], choices: [MADV_DONTNEED] },
      ],
    },
  }),
};

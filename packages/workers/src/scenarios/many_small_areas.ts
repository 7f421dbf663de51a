/**
 * Thousands of areas of one page: the tree is deep, its nodes split and join, and every lookup has far to go.
 *
 *   | rw | r | rw | r | rw | r | ...    neighbours never join, because their protections differ
 */
import { type Op, op } from '../program/op.ts';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { everyCpu, mapRegion, ownRange, PRIVATE_FIXED, READ_ONLY, READ_WRITE, striped } from './layout.ts';

const PAGES = 2048;
const OWN = 256;
const field = (cpu: number, cpus: number): Region => ({ ...striped('field', 0, PAGES, cpu, cpus), layout: 'shared' });
const own = (cpu: number): Region => ownRange('own', 1, OWN, cpu, READ_WRITE);

const checkered = (region: Region): Op[] =>
  Array.from({ length: region.pages >>> 1 }, (_, pair) => op('mprotect', region.start + 2 * pair + 1, 1, READ_ONLY));

export const manySmallAreas: Scenario = {
  name: 'many_small_areas',
  story: 'two thousand areas of one page each, found, cut out and put back',
  mustSee: ['pgfault', 'vma_split', 'mmap_write_acquired'],
  setup: ({ cpus }) => [mapRegion(field(0, cpus)), ...checkered(field(0, cpus)), ...everyCpu(cpus).map((cpu) => mapRegion(own(cpu)))],
  program: (cpu, { cpus }) => ({
    regions: [field(cpu, cpus), own(cpu)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 30 },
        { op: 'write', region: 0, weight: 30 },
        { op: 'mprotect', region: 0, weight: 2, choices: [READ_ONLY, READ_WRITE] },
        { op: 'read', region: 1, weight: 10 },
        { op: 'write', region: 1, weight: 10 },
        { op: 'munmap', region: 1, weight: 3 },
        { op: 'mmap', region: 1, weight: 3, choices: [READ_ONLY, READ_WRITE], flags: PRIVATE_FIXED },
        { op: 'map_anywhere', weight: 3, pages: [1, 4] },
      ],
    },
  }),
};

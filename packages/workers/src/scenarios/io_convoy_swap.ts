/**
 * All CPUs want the same few pages, which go to swap again and again: one of them reads, and the others wait for it.
 *
 *   CPU 0            CPU 1            CPU 2            device
 *   reads entry 9    finds it in the swap cache, locked
 *   sleeps           sleeps           sleeps
 *                                                      data, up to date, unlock
 *   maps the page    the entry is a page by now        <- decides: nobody maps it twice, nobody sleeps on
 */
import { MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, striped } from './layout.ts';
import { SWAP, SWAP_DISK } from './storage.ts';

const PAGES = 4;
const hot = (cpu: number, cpus: number): Region => striped('hot', 0, PAGES, cpu, cpus);

export const ioConvoySwap: Scenario = {
  name: 'io_convoy_swap',
  story: 'all CPUs wait for the same read of the same page from swap; all of them are woken and served',
  mustSee: ['pswpin', 'pswpout', 'pgmajfault'],
  devices: [SWAP_DISK],
  swaps: [SWAP],
  setup: ({ cpus }) => [mapRegion(hot(0, cpus))],
  program: (cpu, { cpus }) => ({
    regions: [hot(cpu, cpus)],
    body: {
      draw: [
        { op: 'read', region: 0, weight: 10 },
        { op: 'write', region: 0, weight: 4 },
        { op: 'remote_read', region: 0, weight: 1 },
        { op: 'madvise', region: 0, weight: 2, pages: 'whole', choices: [MADV_PAGEOUT] },
      ],
    },
  }),
};

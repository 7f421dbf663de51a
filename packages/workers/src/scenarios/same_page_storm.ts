/**
 * Everybody faults in the same few pages, which somebody throws away again and again.
 *
 *   CPU 0            CPU 1            CPU 2
 *   fault page 0     fault page 0     MADV_DONTNEED
 *   new frame        new frame
 *   ptl              ptl, sees the entry filled: gives its frame back     <- exactly one wins
 */
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import type { Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, READ_WRITE, rangeStart } from './layout.ts';

const HOT: Region = {
  name: 'hot',
  start: rangeStart(0),
  pages: 4,
  initial: READ_WRITE,
  layout: 'fixed',
  discards: 'shared',
  writes: 'all',
};

export const samePageStorm: Scenario = {
  name: 'same_page_storm',
  story: 'all CPUs fault in the same four pages, which are thrown away all the time; one of them wins each page',
  mustSee: ['pgfault', 'anon_new_page', 'anon_zero_page'],
  setup: () => [mapRegion(HOT)],
  program: () => ({
    regions: [HOT],
    body: {
      draw: [
        { op: 'write', region: 0, weight: 5 },
        { op: 'read', region: 0, weight: 5 },
        { op: 'madvise', region: 0, weight: 3, pages: [1, 4], choices: [MADV_DONTNEED] },
      ],
    },
  }),
};

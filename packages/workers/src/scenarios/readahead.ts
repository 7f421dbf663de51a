/**
 * Readers that go through a file page by page meet readers that jump, on one window of read-ahead.
 *
 *   sequential reader                         random reader
 *   fault page 8: window 8-39, mark at 24
 *                                             fault page 300: the window moves there
 *   fault page 24: finds the mark             <- decides: whose window it is; either way the content is the page's
 */
import { MADV_DONTNEED, MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED } from '@faultlab/core/mm/mman';
import { op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, sharedView, stripedFile } from './layout.ts';
import { DISK, diskFile, makeCold } from './storage.ts';

const PAGES = 512;
const VIEWS = 3;
const file = (cpu: number, cpus: number): FileUse => ({ ...stripedFile('long file', PAGES, cpu, cpus), writes: 'none' });
const view = (cpu: number, cpus: number, index: number): Region => ({ ...sharedView(file(cpu, cpus), 0, index), name: `view ${index}` });
const views = (cpu: number, cpus: number): Region[] => Array.from({ length: VIEWS }, (_, index) => view(cpu, cpus, index));
const ADVICE = [MADV_NORMAL, MADV_SEQUENTIAL, MADV_RANDOM];

export const readahead: Scenario = {
  name: 'readahead',
  story: 'sequential and random readers share the read-ahead window of a file that is evicted all the time',
  mustSee: ['pgmajfault', 'ra_sync', 'ra_pages', 'pgpgin'],
  devices: [DISK],
  files: ({ cpus }) => [diskFile(file(0, cpus).pages)],
  setup: ({ cpus }) =>
    views(0, cpus).flatMap((region, index) => [mapRegion(region), op('madvise', region.start, region.pages, ADVICE[index] as number)]),
  program: (cpu, { cpus }) => {
    const regions = views(cpu, cpus);
    const files = [file(cpu, cpus)];
    const [first] = regions as [Region];
    // Every other CPU reads from the first page to the last, in the view for it, and makes the file cold again.
    const sequential = regions[cpu % 4 === 0 ? 0 : 1] as Region;
    const inOrder = Array.from({ length: sequential.pages }, (_, page) => op('read', sequential.start + page));
    if (cpu % 2 === 0) return { files, regions, body: { list: [...inOrder, ...makeCold(sequential), ...makeCold(first)] } };
    return {
      files,
      regions,
      body: {
        draw: [
          { op: 'read', region: 2, weight: 20 },
          { op: 'read', region: 0, weight: 10 },
          { op: 'fread', file: 0, weight: 2 },
          { op: 'madvise', region: 0, weight: 1, pages: [16, 64], choices: [MADV_WILLNEED] },
          { op: 'madvise', region: 0, weight: 1, pages: 'whole', choices: [MADV_DONTNEED] },
          { op: 'madvise', region: 2, weight: 1, pages: 'whole', choices: [MADV_DONTNEED] },
          { op: 'evict', file: 0, weight: 2 },
        ],
      },
    };
  },
};

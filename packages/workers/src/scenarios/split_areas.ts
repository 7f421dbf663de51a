/**
 * Readers of a file wait for its device while others cut areas at random: once in one large area, once in many small ones of the same size together.
 *
 *   reader, page 5                            splitter
 *   fault: waits for the device
 *                                             mprotect somewhere in the file
 *     policy keeps the area's lock over the wait:
 *       one large area                        waits for the reader, whatever page it cuts  <- decides: the area that is cut
 *       many small ones                       waits only if it cuts the reader's own
 *     policy drops it:                        does not wait
 */
import { MADV_DONTNEED, MADV_RANDOM } from '@faultlab/core/mm/mman';
import { op } from '../program/op.ts';
import type { DrawRule, FileUse, Region } from '../program/program.ts';
import type { Scenario } from '../scenario.ts';
import { mapRegion, READ_ONLY, READ_WRITE, rangeStart, sharedView } from './layout.ts';
import { DISK, diskFile } from './storage.ts';

const PAGES = 128;
const AREAS = 32;
/** One CPU in so many only cuts. */
const READERS = 4;
/** Most pages of a cut, and of what is let go at a time. */
const CUT = 4;
const EVICTS = 24;

const BOOK: FileUse = { name: 'book', pages: PAGES, initial: 'token', writes: 'none', discards: 'mine' };
/** Parts of the file, with a page between two of them that nobody maps, so that they never join. */
function parts(areas: number): Region[] {
  const pages = PAGES / areas;
  return Array.from({ length: areas }, (_, at) => ({
    ...sharedView(BOOK, 0, 0),
    name: `part ${at}`,
    start: rangeStart(0) + at * (pages + 1),
    pages,
    layout: 'shared' as const,
    backing: { file: 0, offset: at * pages, shared: true },
  }));
}

/** The same share of reads, of pages let go and of cuts, however the file is divided. */
const reading = (areas: readonly Region[]): DrawRule[] =>
  areas.flatMap(({ pages }, region): DrawRule[] => [
    { op: 'read', region, weight: 8 * pages },
    { op: 'madvise', region, weight: pages, pages: [1, CUT], choices: [MADV_DONTNEED] },
  ]);
const cutting = (areas: readonly Region[]): DrawRule[] =>
  areas.flatMap(({ pages }, region): DrawRule[] => [
    { op: 'mprotect', region, weight: 3 * pages, pages: [1, CUT], choices: [READ_ONLY, READ_WRITE] },
    { op: 'read', region, weight: pages },
  ]);

function splitters(name: string, what: string, areas: number): Scenario {
  return {
    name,
    story: `a file is read cold through ${what} while others cut it at random; who cuts waits for readers only where a policy makes him`,
    mustSee: ['pgmajfault', 'vma_split', 'vma_merged', 'mmap_write_acquired', 'vma_write_locked'],
    devices: [DISK],
    cpusMin: 2,
    files: () => [diskFile(PAGES)],
    setup: () => parts(areas).flatMap((region) => [mapRegion(region), op('madvise', region.start, region.pages, MADV_RANDOM)]),
    program: (cpu, { cpus }) => {
      const regions = parts(areas);
      const cuts = cpu % READERS === READERS - 1 || (cpus < READERS && cpu === cpus - 1);
      const draw: DrawRule[] = cuts ? cutting(regions) : [...reading(regions), { op: 'evict', file: 0, weight: EVICTS }];
      return { files: [BOOK], regions, body: { draw } };
    },
  };
}

export const splitOneLarge: Scenario = splitters('split_one_large', 'one large area', 1);
export const splitManySmall: Scenario = splitters('split_many_small', `${AREAS} small areas of the same size together`, AREAS);

/**
 * What the set-ups of claims share: files of which each page is read from the device whenever it is touched for the first time, areas of a CPU's own,
 * and pauses.
 */
import { FILE_DISK, type FileSpec } from '@faultlab/core/mm/address_space';
import { MADV_DONTNEED, MADV_SEQUENTIAL } from '@faultlab/core/mm/mman';
import { type Op, op } from '../program/op.ts';
import type { FileUse, Region } from '../program/program.ts';
import { mapRegion, READ_ONLY, rangeStart } from '../scenarios/layout.ts';

/** A file on the first device whose faults read the page that is missing and no other. */
export const coldFile = (pages: number): FileSpec => ({ pages, kind: FILE_DISK, device: 0, raPages: 1 });
export const coldFileUse = (pages: number): FileUse => ({ name: 'cold file', pages, initial: 'token', writes: 'none', discards: 'mine' });

/** Pages `offset` on of the first file, as an area of its own. @param shared others change its areas, too */
export const coldView = (index: number, pages: number, offset = 0, shared = false): Region => ({
  name: `view ${index} of the cold file`,
  start: rangeStart(index),
  pages,
  initial: READ_ONLY,
  layout: shared ? 'shared' : 'fixed',
  discards: 'mine',
  writes: 'none',
  backing: { file: 0, offset, shared: true },
});

/** Sequential advice, so that a file which is missed all the time is still read as one that is not: through the wait that policies are about. */
export const mapCold = (view: Region): Op[] => [mapRegion(view, READ_ONLY), op('madvise', view.start, view.pages, MADV_SEQUENTIAL)];

/** All pages of the views and of the file are gone. */
export const makeAllCold = (views: readonly Region[]): Op[] => [
  ...views.map((view) => op('madvise', view.start, view.pages, MADV_DONTNEED)),
  op('evict', 0),
];

/** Reads every page of the view, one after the other, and lets them go. */
export const readAll = (view: Region): Op[] => [
  ...Array.from({ length: view.pages }, (_, page) => op('read', view.start + page)),
  ...makeAllCold([view]),
];

/** So many short sleeps: a CPU that has nothing to do for a while, and leaves its core to others. */
export const pause = (sleeps: number): Op[] => Array.from({ length: sleeps }, () => op('yield'));

/** The numbers below `count` in an order without a pattern, the same each time. */
export function shuffled(count: number): number[] {
  const numbers = Array.from({ length: count }, (_, number) => number);
  let state = 12345;
  for (let at = count - 1; at > 0; at--) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const other = (state >>> 8) % (at + 1);
    [numbers[at], numbers[other]] = [numbers[other] as number, numbers[at] as number];
  }
  return numbers;
}

/**
 * What CPUs say about the pages of files that only they write: the newest stamp whose write is over. Who reads the page afterwards must
 * not find an older one.
 *
 *   owner                                     reader
 *   1 writes S to the page
 *   2 publishes S
 *                                             3 looks: S
 *                                             4 reads the page: S, or something newer
 *
 * Next: file_shadow.ts
 */
import type { Word } from '@faultlab/core/base/brand';
import { atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { PUBLISHED_FILES, PUBLISHED_PAGES } from '../arena_map.ts';
import type { Actor } from './actor.ts';
import { NO_FLOOR } from './file_shadow.ts';

const wordOf = ({ cpu, arena }: Actor, file: number, page: number): Word =>
  (cpu.memory.userAt + arena.published + file * PUBLISHED_PAGES + page) as Word;

const hasWord = (file: number, page: number): boolean => file < PUBLISHED_FILES && page < PUBLISHED_PAGES;

/** Call it when a write of this CPU to a page of a file is over. */
export function publish(actor: Actor, file: number, page: number, stamp: number): void {
  if (hasWord(file, page)) atomic_set(actor.cpu, wordOf(actor, file, page), stamp); // Release: the write. Pairs with: published().
}

/** Call it before reading the page. @returns a stamp, or NO_FLOOR */
export const published = (actor: Actor, file: number, page: number): number =>
  hasWord(file, page) ? atomic_read(actor.cpu, wordOf(actor, file, page)) : NO_FLOOR; // Pairs with: publish().

/**
 * The lists of pages that reclaim walks: for each memory cgroup four of them and one lock. A folio with PG_lru is on exactly one list; whoever clears
 * that flag has it to himself, and takes it off its list.
 *
 *   isolating CPU (lock held)                 freeing CPU
 *                                             1 drops the last reference
 *   2 finds the folio on the list
 *   3 folio_try_get fails  <- decides: leaves it alone
 *                                             4 takes the lock, takes the folio off the list, frees the frame
 *
 * @kernel include/linux/mm_inline.h lruvec_add_folio(), lruvec_del_folio(); mm/swap.c __page_cache_release(); include/linux/mmzone.h enum lru_list
 * @fidelity reduced: one node; no list of unevictable pages
 * Next: mm/folio_add_lru.ts
 */
import { invariant } from '../base/assert.ts';
import type { Pfn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_is_held, spin_lock, spin_unlock } from '../locking/spinlock.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import {
  folio_flags,
  folio_memcg,
  folioClear,
  folioSet,
  folioTest,
  lruListOf,
  lruNext,
  lruPrev,
  NO_FOLIO,
  PG_active,
  PG_lru,
  PG_swapbacked,
  setLruListOf,
  setLruNext,
  setLruPrev,
} from './folio.ts';
import {
  folio_lru_gen,
  GEN_TYPES,
  type GenType,
  genTypeOf,
  lru_gen_enabled,
  lru_gen_folio_seq,
  lru_gen_from_seq,
  MAX_NR_GENS,
  setFolioGen,
} from './lru_gen.ts';
import { lruvecWord } from './memcg.ts';

export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_LISTS = 4;
/** With those of generations (mm/lru_gen.ts), of which only one kind is in use. */
export const ALL_LISTS: number = LRU_LISTS + MAX_NR_GENS * GEN_TYPES;
export type LruList = 0 | 1 | 2 | 3;

const LOCK = 0;
const NONRESIDENT_AGE = 1;
const REFAULTS = 2;
const LISTS = 4;
const HEAD = 0;
const TAIL = 1;
const COUNT = 2;
const LIST_WORDS = 4;

/** The list of a generation. */
export const genList = (gen: number, type: GenType): number => LRU_LISTS + gen * GEN_TYPES + type;
const genOfList = (list: number): number => Math.floor((list - LRU_LISTS) / GEN_TYPES);

export const lruLockWord = (m: SharedMemory, memcg: number): Word => (lruvecWord(m, memcg) + LOCK) as Word;
/** Evictions and activations: the clock by which mm/workingset.ts tells how long a page was away. */
export const nonresidentAgeWord = (m: SharedMemory, memcg: number): Word => (lruvecWord(m, memcg) + NONRESIDENT_AGE) as Word;
/** Refaults of pages of files that had been in use. */
export const refaultsWord = (m: SharedMemory, memcg: number): Word => (lruvecWord(m, memcg) + REFAULTS) as Word;
const listWord = (m: SharedMemory, memcg: number, list: number, field: number): Word =>
  (lruvecWord(m, memcg) + LISTS + list * LIST_WORDS + field) as Word;

/** Pages of a list; a glance without the lock. @kernel lruvec_page_state() */
export const lruSize = (m: SharedMemory, memcg: number, list: number): number => m.words[listWord(m, memcg, list, COUNT)] as number;
export const lruHead = (m: SharedMemory, memcg: number, list: number): Pfn => m.words[listWord(m, memcg, list, HEAD)] as Pfn;
export const lruTail = (m: SharedMemory, memcg: number, list: number): Pfn => m.words[listWord(m, memcg, list, TAIL)] as Pfn;

export const isFileList = (list: number): boolean => list >= LRU_INACTIVE_FILE;
export const isActiveList = (list: number): boolean => (list & 1) !== 0;

/** The list that a folio with these flags belongs on. A lazily freed anonymous page is not swapbacked: it is among those of files. @kernel folio_lru_list() */
export const folio_lru_list = (flags: number): LruList =>
  (((flags & PG_swapbacked) !== 0 ? 0 : LRU_INACTIVE_FILE) + ((flags & PG_active) !== 0 ? 1 : 0)) as LruList;

/** Puts a folio on the list that its flags say, at its young end. @locks in: the lruvec's */
export function lruvec_add_folio(cpu: Cpu, pfn: Pfn): void {
  const m = cpu.memory;
  const memcg = folio_memcg(m, pfn);
  invariant(spin_is_held(cpu, lruLockWord(m, memcg)), 'I33', 'a list of pages is changed without its lock');
  const flags = folioSet(cpu, pfn, PG_lru); // Pairs with: folio_test_clear_lru().
  addToList(cpu, pfn, lru_gen_enabled(m) ? lru_gen_add_folio(cpu, pfn, memcg, flags) : folio_lru_list(flags));
}

/** @returns the list of its generation, which it is of from now on */
function lru_gen_add_folio(cpu: Cpu, pfn: Pfn, memcg: number, flags: number): number {
  const gen = lru_gen_from_seq(lru_gen_folio_seq(cpu, memcg, flags));
  folioClear(cpu, pfn, PG_active); // Alone: that has been said with the generation.
  setFolioGen(cpu, pfn, gen);
  return genList(gen, genTypeOf(flags));
}

/** @locks in: the lruvec's */
function addToList(cpu: Cpu, pfn: Pfn, list: number): void {
  const m = cpu.memory;
  const memcg = folio_memcg(m, pfn);
  const words = m.words;
  const at = listWord(m, memcg, list, 0);
  const head = words[at + HEAD] as Pfn;
  setLruListOf(m, pfn, list);
  setLruNext(m, pfn, head);
  setLruPrev(m, pfn, NO_FOLIO);
  if (head === NO_FOLIO) words[at + TAIL] = pfn;
  else setLruPrev(m, head, pfn);
  words[at + HEAD] = pfn;
  words[at + COUNT] = (words[at + COUNT] as number) + 1;
}

/** Takes a folio off its list; its flags stay. @locks in: the lruvec's. The caller has cleared PG_lru, or nobody else can reach the folio */
export function lruvec_del_folio(cpu: Cpu, pfn: Pfn): void {
  takeOffList(cpu, pfn);
  if (lruListOf(cpu.memory, pfn) >= LRU_LISTS) setFolioGen(cpu, pfn, -1);
}

function takeOffList(cpu: Cpu, pfn: Pfn): void {
  const m = cpu.memory;
  const words = m.words;
  const memcg = folio_memcg(m, pfn);
  const at = listWord(m, memcg, lruListOf(m, pfn), 0);
  const next = lruNext(m, pfn);
  const prev = lruPrev(m, pfn);
  invariant(spin_is_held(cpu, lruLockWord(m, memcg)), 'I33', 'a list of pages is changed without its lock');
  invariant((prev === NO_FOLIO ? words[at + HEAD] : lruNext(m, prev)) === pfn, 'I33', 'a folio is not on the list that it says');
  if (prev === NO_FOLIO) words[at + HEAD] = next;
  else setLruNext(m, prev, next);
  if (next === NO_FOLIO) words[at + TAIL] = prev;
  else setLruPrev(m, next, prev);
  words[at + COUNT] = (words[at + COUNT] as number) - 1;
}

/**
 * Puts a folio on a list of generations where it says that it belongs: it may have been found young meanwhile. What it says does not change.
 * @locks in: the lruvec's. @returns whether it was elsewhere @kernel sort_folio()
 */
export function lruGenSort(cpu: Cpu, pfn: Pfn): boolean {
  const list = lruListOf(cpu.memory, pfn);
  const gen = folio_lru_gen(cpu, pfn);
  if (gen === genOfList(list)) return false;
  takeOffList(cpu, pfn);
  addToList(cpu, pfn, genList(gen, ((list - LRU_LISTS) % GEN_TYPES) as GenType));
  return true;
}

/** Takes a folio for oneself, if it is on a list: it must be taken off it then. The caller has a reference. @kernel folio_test_clear_lru() */
export const folio_test_clear_lru = (cpu: Cpu, pfn: Pfn): boolean => (folioClear(cpu, pfn, PG_lru) & PG_lru) !== 0; // Pairs with: lruvec_add_folio().

/** Moves a folio on a list to the young end of the list of its flags. @locks in: the lruvec's */
export function lruRotate(cpu: Cpu, pfn: Pfn): void {
  lruvec_del_folio(cpu, pfn);
  lruvec_add_folio(cpu, pfn);
}

/** Changes flags of a folio and puts it where it belongs then, if it is on a list now. Never sleeps. The caller has a reference */
export function lruChange(cpu: Cpu, pfn: Pfn, set: number, clear: number): boolean {
  const lock = lruLockWord(cpu.memory, folio_memcg(cpu.memory, pfn));
  spin_lock(cpu, lock);
  const mine = folio_test_clear_lru(cpu, pfn);
  if (mine) {
    lruvec_del_folio(cpu, pfn);
    if (set !== 0) folioSet(cpu, pfn, set);
    if (clear !== 0) folioClear(cpu, pfn, clear);
    lruvec_add_folio(cpu, pfn);
  }
  spin_unlock(cpu, lock);
  return mine;
}

/** Before a frame is freed: it leaves its list. Nobody has a reference any more. Never sleeps. @kernel __page_cache_release() */
export function pageCacheRelease(cpu: Cpu, pfn: Pfn): void {
  if ((folio_flags(cpu, pfn) & PG_lru) === 0) return;
  const lock = lruLockWord(cpu.memory, folio_memcg(cpu.memory, pfn));
  spin_lock(cpu, lock);
  if (folioTest(cpu, pfn, PG_lru)) {
    lruvec_del_folio(cpu, pfn);
    folioClear(cpu, pfn, PG_lru | PG_active);
  }
  spin_unlock(cpu, lock);
}

/** Pages after which the lock is given back, so that others get it. @kernel PAGEVEC_SIZE */
const RELEASE_BATCH = 31;
const NO_LOCK = 0 as Word;

/** As pageCacheRelease() for each, with the lock kept from one to the next of the same cgroup. Never sleeps. @kernel folios_put_refs() */
export function pageCacheReleaseAll(cpu: Cpu, pfns: readonly Pfn[]): void {
  let held = NO_LOCK;
  for (let i = 0; i < pfns.length; i++) {
    const pfn = pfns[i] as Pfn;
    if (!folioTest(cpu, pfn, PG_lru)) continue;
    const wanted = lruLockWord(cpu.memory, folio_memcg(cpu.memory, pfn));
    if (held !== NO_LOCK && (held !== wanted || i % RELEASE_BATCH === 0)) {
      spin_unlock(cpu, held);
      held = NO_LOCK;
    }
    if (held === NO_LOCK) spin_lock(cpu, wanted);
    held = wanted;
    if ((folioClear(cpu, pfn, PG_lru | PG_active) & PG_lru) !== 0) lruvec_del_folio(cpu, pfn); // Pairs with: a scan that meets a broken page.
  }
  if (held !== NO_LOCK) spin_unlock(cpu, held);
}

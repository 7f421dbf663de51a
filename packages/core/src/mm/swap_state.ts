/**
 * The swap cache: folios that have a slot in a swap area, found by their entry. A page is in it from the time that it gets a slot until its write
 * is over and somebody needs the memory; and again from the time that it is read in. As long as it is there, slot and page hold the same, unless
 * the folio is dirty.
 *
 *   looking CPU (no lock)                     removing CPU (folio locked)
 *   1 table says folio F
 *                                             2 takes F out of the table, drops the cache's reference; the frame may be another page's
 *   3 folio_try_get, then the table again: still F
 *   4 locks F: PG_swapcache, and the entry is ours?  <- decides (R15): if not, the fault starts over
 *
 * @kernel mm/swap_state.c swap_cache_get_folio(), swap_cache_add_folio(), swap_cache_del_folio(), free_swap_cache(); mm/swapfile.c folio_free_swap(),
 *   free_swap_and_cache()
 * @fidelity reduced: one page per folio; the table is one word a slot
 * Next: io/swap_io.ts
 */
import { invariant } from '../base/assert.ts';
import type { Pfn, SwpEntry } from '../base/brand.ts';
import { NO_SWAP_ENTRY } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  folio_get,
  folio_mapcount,
  folio_try_get,
  folioClear,
  folioSet,
  folioSwapEntry,
  folioTest,
  NO_FOLIO,
  PG_dirty,
  PG_swapbacked,
  PG_swapcache,
  PG_writeback,
  setFolioSwapEntry,
} from './folio.ts';
import { folio_trylock, folio_unlock, folioLockOwner } from './folio_lock.ts';
import { folio_put } from './page_alloc.ts';
import {
  allocSwapSlot,
  insertSwapTable,
  removeSwapTable,
  replaceSwapTable,
  swap_cache_get_shadow,
  swap_count,
  swap_free,
  swapTableFolio,
} from './swapfile.ts';
import { workingset_refault } from './workingset.ts';

/** The folio that the swap cache has for an entry, with a reference for the caller, or NO_FOLIO. Never sleeps. Lock it and check R15. */
export function swap_cache_get_folio(cpu: Cpu, entry: SwpEntry): Pfn {
  for (;;) {
    const pfn = swapTableFolio(cpu, entry);
    if (pfn === NO_FOLIO) return NO_FOLIO;
    if (!folio_try_get(cpu, pfn)) continue;
    if (swapTableFolio(cpu, entry) === pfn) return pfn;
    folio_put(cpu, pfn);
  }
}

/** R15: is the folio the swap cache's for this entry? Exact while the caller has its lock. */
export const folio_matches_swap_entry = (cpu: Cpu, pfn: Pfn, entry: SwpEntry): boolean =>
  folioTest(cpu, pfn, PG_swapcache) && folioSwapEntry(cpu.memory, pfn) === entry;

const checkLocked = (cpu: Cpu, pfn: Pfn): void =>
  invariant(folioLockOwner(cpu, pfn) === cpu.id + 1, 'I20', 'the swap cache changes for a folio that this CPU has not locked');

/** The cache has a reference of its own. */
function markCached(cpu: Cpu, pfn: Pfn, entry: SwpEntry): void {
  setFolioSwapEntry(cpu.memory, pfn, entry);
  folioSet(cpu, pfn, PG_swapcache | PG_swapbacked); // Alone: under the folio lock.
}

/**
 * Puts a fresh folio, which is on no list yet, into the swap cache, to be read: a refault, if it has been there before. Never sleeps. @locks in: the folio's
 * @returns 0, EEXIST when the entry is cached or claimed, ENOENT when its slot is free
 */
export function swap_cache_add_folio(cpu: Cpu, pfn: Pfn, entry: SwpEntry): number {
  checkLocked(cpu, pfn);
  // All of it before others can find the folio.
  folio_get(cpu, pfn);
  markCached(cpu, pfn, entry);
  const shadow = swap_cache_get_shadow(cpu, entry);
  const result = insertSwapTable(cpu, entry, pfn);
  if (result === 0) {
    if (shadow !== 0) workingset_refault(cpu, pfn, shadow);
    return 0;
  }
  folioClear(cpu, pfn, PG_swapcache);
  setFolioSwapEntry(cpu.memory, pfn, NO_SWAP_ENTRY);
  folio_put(cpu, pfn);
  return result;
}

/**
 * Gives a folio a slot and a place in the swap cache. It is dirty then: the slot holds nothing yet. Never sleeps. @locks in: the folio's
 * @returns false when swap space is out
 */
export function folio_alloc_swap(cpu: Cpu, pfn: Pfn): boolean {
  checkLocked(cpu, pfn);
  folio_get(cpu, pfn);
  const entry = allocSwapSlot(cpu, pfn);
  if (entry === NO_SWAP_ENTRY) {
    folio_put(cpu, pfn);
    return false;
  }
  markCached(cpu, pfn, entry);
  folioSet(cpu, pfn, PG_dirty); // Alone: under the folio lock.
  return true;
}

/**
 * Takes a folio out of the swap cache. The cache's reference goes to the caller, who drops it or has frozen it. @locks in: the folio's
 * @param shadow what the slot remembers of it (mm/workingset.ts), or 0
 */
export function __swap_cache_del_folio(cpu: Cpu, pfn: Pfn, shadow = 0): void {
  checkLocked(cpu, pfn);
  const entry = folioSwapEntry(cpu.memory, pfn);
  invariant(folioTest(cpu, pfn, PG_swapcache), 'I29', 'a folio is taken out of the swap cache that is not there');
  folioClear(cpu, pfn, PG_swapcache);
  removeSwapTable(cpu, entry, pfn, shadow);
  setFolioSwapEntry(cpu.memory, pfn, NO_SWAP_ENTRY);
}

/** As __swap_cache_del_folio(), and drops the reference. The caller has another. */
export function swap_cache_del_folio(cpu: Cpu, pfn: Pfn): void {
  __swap_cache_del_folio(cpu, pfn);
  folio_put(cpu, pfn);
}

/**
 * A folio that is being moved gives its place to the one that it moves to, and with it the cache's reference. Never sleeps.
 * @locks in: both folio locks; the old one's references are frozen @kernel __folio_migrate_mapping(), its part for the swap cache
 */
export function swapCacheReplaceFolio(cpu: Cpu, old: Pfn, pfn: Pfn): void {
  checkLocked(cpu, old);
  const entry = folioSwapEntry(cpu.memory, old);
  folio_get(cpu, pfn);
  markCached(cpu, pfn, entry);
  replaceSwapTable(cpu, entry, old, pfn);
  folioClear(cpu, old, PG_swapcache);
  setFolioSwapEntry(cpu.memory, old, NO_SWAP_ENTRY);
}

/**
 * Gives the slot back if only the swap cache has it and its write is over; the folio is the only copy then, and dirty. Never sleeps.
 * @locks in: the folio's, and a reference beside the cache's. @returns whether it did
 */
export function folio_free_swap(cpu: Cpu, pfn: Pfn): boolean {
  if (!folioTest(cpu, pfn, PG_swapcache) || folioTest(cpu, pfn, PG_writeback)) return false;
  if (swap_count(cpu, folioSwapEntry(cpu.memory, pfn)) !== 0) return false;
  swap_cache_del_folio(cpu, pfn);
  folioSet(cpu, pfn, PG_dirty); // Alone: under the folio lock.
  return true;
}

/** For one who unmaps a page and has a reference: nobody will look for its slot any more, if nobody else maps it. Never sleeps. */
export function free_swap_cache(cpu: Cpu, pfn: Pfn): void {
  if (!folioTest(cpu, pfn, PG_swapcache) || folio_mapcount(cpu, pfn) > 0 || !folio_trylock(cpu, pfn)) return;
  folio_free_swap(cpu, pfn);
  folio_unlock(cpu, pfn);
}

/** A page-table entry that led to swap is gone. A page that only the swap cache has is freed with its slot, unless it is in use. Never sleeps. */
export function free_swap_and_cache(cpu: Cpu, entry: SwpEntry): void {
  if (!swap_free(cpu, entry)) return;
  const pfn = swap_cache_get_folio(cpu, entry);
  if (pfn === NO_FOLIO) return;
  if (folio_trylock(cpu, pfn)) {
    if (folio_matches_swap_entry(cpu, pfn, entry) && folio_mapcount(cpu, pfn) === 0) folio_free_swap(cpu, pfn);
    folio_unlock(cpu, pfn);
  }
  folio_put(cpu, pfn);
}

/**
 * The page cache: from a page of a file to its folio. Lookups take no lock, so what they find must be looked at again once it is held; adding and
 * removing happen under the lock of the file's tree. An entry can also be a number (xa_is_value): a page of shmem that is in swap.
 *
 *   looking CPU                               removing CPU (folio locked)
 *   1 xa_load: finds folio F
 *                                             2 takes F out of the tree, drops the cache's reference
 *                                             3 F's frame is free, or another page's already
 *   4 folio_try_get: no reference left, or somebody else's
 *   5 xa_load again: not F any more  <- decides: gives the reference back and looks again
 *
 * @kernel mm/filemap.c filemap_get_entry(), __filemap_add_folio(), __filemap_remove_folio()
 * @fidelity reduced: one page per folio
 * Next: io/file_io.ts reads pages in, fault/filemap_fault.ts waits for them
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, Pfn, Word } from '../base/brand.ts';
import { EEXIST, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { TRACE_MM_FILEMAP_ADD_TO_PAGE_CACHE, TRACE_MM_FILEMAP_DELETE_FROM_PAGE_CACHE } from '../trace/events.ts';
import { at, BEFORE_PAGE_CACHE_INSERT } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { mappingEvictable, nrpages, nrpagesWord, pagesLockWord, pagesRoot, shmem_mapping } from './address_space.ts';
import {
  fileMapping,
  folio_get,
  folio_index,
  folio_try_get,
  folioFile,
  folioMapping,
  folioSet,
  NO_FOLIO,
  PG_uptodate,
  setFolioMapping,
  writeStamp,
} from './folio.ts';
import { folio_add_lru } from './folio_add_lru.ts';
import { folio_test_locked } from './folio_lock.ts';
import { alloc_page, folio_put } from './page_alloc.ts';
import { xa_is_value } from './swap_entry.ts';
import { workingset_refault } from './workingset.ts';
import { XA_NOT_FOUND, xa_destroy, xa_find, xa_for_each, xa_load, xa_store } from './xarray.ts';

/** What the file holds at a page before anybody writes: never 0, so that it differs from fresh anonymous memory. */
export function fileToken(file: MappingId, index: number): number {
  return (Math.imul(file, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 1;
}

/**
 * What the page cache has at a page: a folio, with a reference for the caller; a number (negative: xa_is_value); or 0. Never sleeps.
 * Unless it is locked, the folio may leave the file at any time: look at its mapping and index again with its lock held (R14).
 */
export function filemap_get_entry(cpu: Cpu, file: MappingId, index: number): number {
  const root = pagesRoot(cpu.memory, file);
  for (;;) {
    const entry = xa_load(cpu, root, index);
    if (entry === 0 || xa_is_value(entry)) return entry;
    if (!folio_try_get(cpu, entry as Pfn)) continue;
    if (xa_load(cpu, root, index) === entry) return entry;
    folio_put(cpu, entry as Pfn);
  }
}

/** As filemap_get_entry(), but numbers count as nothing. @returns the folio, with a reference, or NO_FOLIO */
export function filemap_get_folio(cpu: Cpu, file: MappingId, index: number): Pfn {
  const entry = filemap_get_entry(cpu, file, index);
  return xa_is_value(entry) ? NO_FOLIO : (entry as Pfn);
}

/**
 * Visits the folios of the pages [start, end) that are in the cache, in order, each with a reference that is dropped afterwards; numbers are passed
 * over. Stops when `visit` returns false. Lockless: look at the mapping again with the folio locked (R14). @kernel filemap_get_folios(), find_lock_entries()
 */
export function eachCachedFolio(cpu: Cpu, file: MappingId, start: number, end: number, visit: (pfn: Pfn, index: number) => boolean): void {
  const root = pagesRoot(cpu.memory, file);
  for (let index = xa_find(cpu, root, start, end - 1); index !== XA_NOT_FOUND; index = xa_find(cpu, root, index + 1, end - 1)) {
    const pfn = filemap_get_folio(cpu, file, index);
    if (pfn === NO_FOLIO) continue;
    const goesOn = visit(pfn, index);
    folio_put(cpu, pfn);
    if (!goesOn) return;
  }
}

/** Is the folio still this page of this file (R14)? Exact while the caller has its lock. */
export const folioIsOf = (cpu: Cpu, pfn: Pfn, file: MappingId, index: number): boolean =>
  folioMapping(cpu, pfn) === fileMapping(file) && folio_index(cpu.memory, pfn) === index;

/**
 * Makes a fresh, locked folio a page of a file. The cache has a reference of its own then. Never sleeps.
 * @param expected what the tree must hold there: 0 (a shadow counts as nothing), or the number of a swapped-out page of shmem
 * @locks in: the folio lock. @returns 0, EEXIST when there is something else by now, or ENOMEM
 */
export function filemap_add_folio(cpu: Cpu, file: MappingId, index: number, pfn: Pfn, expected = 0): number {
  const m = cpu.memory;
  const root = pagesRoot(m, file);
  invariant(folio_test_locked(cpu, pfn), 'I20', 'filemap_add_folio: the folio is not locked');
  at(cpu, BEFORE_PAGE_CACHE_INSERT);
  folio_get(cpu, pfn);
  setFolioMapping(cpu, pfn, fileMapping(file), index);
  spin_lock(cpu, pagesLockWord(m, file));
  const there = xa_load(cpu, root, index);
  const shadow = xa_is_value(there) && !shmem_mapping(m, file) ? there : 0;
  const free = there === expected || shadow !== 0;
  const stored = free && xa_store(cpu, root, index, pfn);
  if (stored) atomic_fetch_add(cpu, nrpagesWord(m, file), 1); // Alone: a count.
  spin_unlock(cpu, pagesLockWord(m, file));
  if (stored) {
    if (!shmem_mapping(m, file)) trace(cpu, TRACE_MM_FILEMAP_ADD_TO_PAGE_CACHE, file, index, pfn); // shmem has no such trace point.
    if (shadow !== 0) workingset_refault(cpu, pfn, shadow);
    if (expected === 0 && mappingEvictable(m, file)) folio_add_lru(cpu, pfn); // One that comes from the swap cache is on a list.
    return 0;
  }
  setFolioMapping(cpu, pfn, 0, 0);
  folio_put(cpu, pfn);
  return free ? ENOMEM : EEXIST;
}

/**
 * Takes a folio out of its file. The cache's reference goes to the caller, who drops it. The folio belongs to no file afterwards.
 * @param replacement 0, the number of the swap entry that shmem finds the page by from now on, or a shadow (mm/workingset.ts)
 * @locks in: the folio lock. Never sleeps. @kernel filemap_remove_folio(), shmem_delete_from_page_cache()
 */
export function filemap_remove_folio(cpu: Cpu, pfn: Pfn, replacement = 0): void {
  const file = folioFile(folioMapping(cpu, pfn));
  spin_lock(cpu, pagesLockWord(cpu.memory, file));
  __filemap_remove_folio(cpu, pfn, replacement);
  spin_unlock(cpu, pagesLockWord(cpu.memory, file));
}

/** As filemap_remove_folio(), for a caller that has the lock of the tree. @locks in: the folio lock, the lock of the tree */
export function __filemap_remove_folio(cpu: Cpu, pfn: Pfn, replacement = 0): void {
  const m = cpu.memory;
  const file = folioFile(folioMapping(cpu, pfn));
  const index = folio_index(m, pfn);
  invariant(folio_test_locked(cpu, pfn), 'I20', 'filemap_remove_folio: the folio is not locked');
  invariant(xa_load(cpu, pagesRoot(m, file), index) === pfn, 'I16', 'filemap_remove_folio: the folio is not where it says');
  xa_store(cpu, pagesRoot(m, file), index, replacement); // Cannot fail: the slot is there.
  atomic_fetch_add(cpu, nrpagesWord(m, file), -1); // Alone: a count.
  setFolioMapping(cpu, pfn, 0, 0);
  if (replacement === 0 || !shmem_mapping(m, file)) trace(cpu, TRACE_MM_FILEMAP_DELETE_FROM_PAGE_CACHE, file, index, pfn);
}

/**
 * The folio of a page of a FILE_RESIDENT, with a reference for the caller, filled and unlocked; NO_FOLIO when memory is out. Never sleeps.
 */
export function filemapGetResident(cpu: Cpu, file: MappingId, index: number): Pfn {
  const m = cpu.memory;
  const root = pagesRoot(m, file);
  const found = filemap_get_folio(cpu, file, index);
  if (found !== NO_FOLIO) return found;
  const fresh = alloc_page(cpu);
  if (fresh === NO_FOLIO) return NO_FOLIO;
  spin_lock(cpu, pagesLockWord(m, file));
  const other = xa_load(cpu, root, index) as Pfn;
  const stored = other === NO_FOLIO && addResident(cpu, file, root, index, fresh);
  if (other !== NO_FOLIO) folio_get(cpu, other);
  spin_unlock(cpu, pagesLockWord(m, file));
  if (stored) return fresh;
  folio_put(cpu, fresh);
  return other;
}

/** Fills the folio, then publishes it: one reference for the cache, one for the caller. */
function addResident(cpu: Cpu, file: MappingId, root: Word, index: number, pfn: Pfn): boolean {
  writeStamp(cpu, pfn, fileToken(file, index));
  setFolioMapping(cpu, pfn, fileMapping(file), index);
  folioSet(cpu, pfn, PG_uptodate);
  folio_get(cpu, pfn);
  if (xa_store(cpu, root, index, pfn)) {
    atomic_fetch_add(cpu, nrpagesWord(cpu.memory, file), 1); // Alone: a count.
    return true;
  }
  setFolioMapping(cpu, pfn, 0, 0);
  folio_put(cpu, pfn);
  return false;
}

/** Drops all pages of a file that no area maps, nobody reads and no I/O works on. @kernel truncate_inode_pages_final(), reduced */
export function dropFilePages(cpu: Cpu, file: MappingId): void {
  const m = cpu.memory;
  xa_for_each(cpu, pagesRoot(m, file), (_index, entry) => {
    if (xa_is_value(entry)) return; // A shadow.
    setFolioMapping(cpu, entry as Pfn, 0, 0);
    folio_put(cpu, entry as Pfn);
  });
  xa_destroy(cpu, pagesRoot(m, file));
  atomic_fetch_add(cpu, nrpagesWord(m, file), -nrpages(m, file)); // Alone: nobody else uses the file.
}

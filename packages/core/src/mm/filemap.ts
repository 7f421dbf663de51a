/**
 * The page cache as it is when everything is resident: a page that nobody has touched yet appears at once, filled and unlocked.
 * @kernel mm/filemap.c filemap_get_folio(), filemap_add_folio()
 * @fidelity reduced: no I/O, no folio lock: every page counts as read long ago
 * Next: fault/filemap_fault.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { nrpages, nrpagesWord, pagesLockWord, pagesRoot } from './address_space.ts';
import { fileMapping, folio_get, folioSet, NO_FOLIO, PG_uptodate, setFolioMapping, writeStamp } from './folio.ts';
import { alloc_page, folio_put } from './page_alloc.ts';
import { xa_destroy, xa_for_each, xa_load, xa_store } from './xarray.ts';

/** What the file holds at a page before anybody writes: never 0, so that it differs from fresh anonymous memory. */
export function fileToken(file: MappingId, index: number): number {
  return (Math.imul(file, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) | 1;
}

/**
 * The folio of a file's page, with a reference for the caller; NO_FOLIO when memory is out. Never sleeps.
 * Pages stay in the cache until the file is dropped, so a lookup needs no second look.
 */
export function filemapGetResident(cpu: Cpu, file: MappingId, index: number): Pfn {
  const m = cpu.memory;
  const root = pagesRoot(m, file);
  const found = xa_load(cpu, root, index) as Pfn;
  if (found !== NO_FOLIO) {
    folio_get(cpu, found);
    return found;
  }
  const fresh = alloc_page(cpu);
  if (fresh === NO_FOLIO) return NO_FOLIO;
  spin_lock(cpu, pagesLockWord(m, file));
  const other = xa_load(cpu, root, index) as Pfn;
  const stored = other === NO_FOLIO && addLocked(cpu, file, index, fresh);
  if (other !== NO_FOLIO) folio_get(cpu, other);
  spin_unlock(cpu, pagesLockWord(m, file));
  if (stored) return fresh;
  folio_put(cpu, fresh);
  return other;
}

/** Fills the folio, then publishes it: one reference for the cache, one for the caller. */
function addLocked(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): boolean {
  writeStamp(cpu, pfn, fileToken(file, index));
  setFolioMapping(cpu, pfn, fileMapping(file), index);
  folioSet(cpu, pfn, PG_uptodate);
  folio_get(cpu, pfn);
  if (xa_store(cpu, pagesRoot(cpu.memory, file), index, pfn)) {
    atomic_fetch_add(cpu, nrpagesWord(cpu.memory, file), 1); // Alone: a count.
    return true;
  }
  setFolioMapping(cpu, pfn, 0, 0);
  folio_put(cpu, pfn);
  return false;
}

/** Drops all pages of a file that no area maps and nobody reads. @kernel truncate_inode_pages_final() */
export function dropFilePages(cpu: Cpu, file: MappingId): void {
  const m = cpu.memory;
  xa_for_each(cpu, pagesRoot(m, file), (_index, entry) => {
    setFolioMapping(cpu, entry as Pfn, 0, 0);
    folio_put(cpu, entry as Pfn);
  });
  xa_destroy(cpu, pagesRoot(m, file));
  atomic_fetch_add(cpu, nrpagesWord(m, file), -nrpages(m, file)); // Alone: nobody else uses the file.
}

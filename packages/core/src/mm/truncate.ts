/**
 * Truncation and eviction of page-cache pages.
 *
 * A file gets shorter in four steps: the size, the entries, the pages, and the entries once more, because a fault that had passed the size test
 * before the first step may still have made a private copy of a page that was on its way out.
 *
 *   truncating CPU                            faulting CPU
 *                                             1 size test passes, finds the page
 *   2 new size; zaps entries
 *   3 locks the page, removes it
 *                                             4 locks the page: it is nobody's  <- decides: looks again, beyond the end: SIGBUS (R14, R17)
 *
 * @kernel mm/truncate.c truncate_pagecache(), truncate_inode_pages_range(), invalidate_mapping_pages(), mapping_evict_folio()
 * @fidelity reduced: whole pages only; no shadow entries
 * Next: syscalls/truncate.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, Pfn, Pte, Vpn } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { MUTANT_B27_UNMAP } from '../mutants/ids.ts';
import { count_vm_event, FOLIO_TRUNCATED } from '../trace/counters.ts';
import { at, BEFORE_SECOND_UNMAP, BETWEEN_UNMAP_AND_TRUNCATE } from '../trace/points.ts';
import { i_mmap_lock_read, i_mmap_unlock_read } from './address_space.ts';
import { eachCachedFolio, filemap_remove_folio, folioIsOf } from './filemap.ts';
import { folio_mapcount, folioTest, PG_dirty, PG_writeback } from './folio.ts';
import { folio_cancel_dirty } from './folio_dirty.ts';
import { folio_lock, folio_trylock, folio_unlock } from './folio_lock.ts';
import { folio_test_writeback, folio_wait_writeback } from './folio_writeback.ts';
import { folio_put } from './page_alloc.ts';
import { findPteTable, pteWord } from './page_table.ts';
import { pte_present } from './pte.ts';
import { remove_mapping } from './remove_mapping.ts';
import { eachMappingArea } from './rmap_file.ts';
import { FILE_END, unmap_mapping_folio, unmap_mapping_pages } from './unmap_mapping.ts';
import { vm_mm } from './vm_area_struct.ts';

/**
 * Removes the pages [start, end) from the page cache, whatever they are: first those that need no wait, then the others, each after its owner has
 * unlocked it and its write-back is over.
 * @locks in: the invalidate lock for writing, or nobody else uses the file. Takes folio locks, i_mmap; may sleep
 */
export function truncate_inode_pages_range(cpu: Cpu, file: MappingId, start: number, end: number): void {
  eachCachedFolio(cpu, file, start, end, (pfn, index) => {
    if (!folio_trylock(cpu, pfn)) return true;
    if (folioIsOf(cpu, pfn, file, index) && !folio_test_writeback(cpu, pfn)) truncate_inode_folio(cpu, pfn);
    folio_unlock(cpu, pfn);
    return true;
  });
  eachCachedFolio(cpu, file, start, end, (pfn, index) => {
    folio_lock(cpu, pfn);
    folio_wait_writeback(cpu, pfn);
    if (folioIsOf(cpu, pfn, file, index)) truncate_inode_folio(cpu, pfn);
    folio_unlock(cpu, pfn);
    return true;
  });
}

/** Removes one page, and what maps it. @locks in: the folio lock; it is not being written. Takes i_mmap; may sleep @kernel truncate_inode_folio() */
export function truncate_inode_folio(cpu: Cpu, pfn: Pfn): void {
  if (folio_mapcount(cpu, pfn) > 0) unmap_mapping_folio(cpu, pfn);
  folio_cancel_dirty(cpu, pfn);
  filemap_remove_folio(cpu, pfn);
  count_vm_event(cpu, FOLIO_TRUNCATED);
  folio_put(cpu, pfn); // The cache's.
}

/** Takes the pages from `start` on out of the file and out of every address space, private copies included. @locks in: i_rwsem, the invalidate lock for writing; the size is reduced already. May sleep */
export function truncate_pagecache(cpu: Cpu, file: MappingId, start: number): void {
  unmap_mapping_pages(cpu, file, start, FILE_END, true);
  at(cpu, BETWEEN_UNMAP_AND_TRUNCATE);
  truncate_inode_pages_range(cpu, file, start, FILE_END);
  at(cpu, BEFORE_SECOND_UNMAP);
  if (cpu.mutant !== MUTANT_B27_UNMAP) unmap_mapping_pages(cpu, file, start, FILE_END, true);
  if (cpu.verify) nothingMappedFrom(cpu, file, start);
}

/** I16: what has been cut off is in nobody's page tables, and no fault brings it back before the file grows. @locks in: i_rwsem */
function nothingMappedFrom(cpu: Cpu, file: MappingId, start: number): void {
  i_mmap_lock_read(cpu, file);
  eachMappingArea(cpu, file, start, FILE_END, (vma, first, last) => {
    for (let vpn = first as number; vpn < last; vpn++) {
      const table = findPteTable(cpu, vm_mm(cpu.memory, vma), vpn as Vpn);
      const pte = table === NO_TABLE ? 0 : (cpu.words[pteWord(cpu.memory, table, vpn as Vpn)] as Pte);
      invariant(pte === 0 || !pte_present(pte as Pte), 'I16', 'a page is mapped beyond the end of its file when truncation has returned');
    }
  });
  i_mmap_unlock_read(cpu, file);
}

/** The same for a hole in the middle; private copies stay, for they are not the file's. @locks as truncate_pagecache() */
export function truncate_pagecache_range(cpu: Cpu, file: MappingId, start: number, end: number): void {
  unmap_mapping_pages(cpu, file, start, end, false);
  at(cpu, BETWEEN_UNMAP_AND_TRUNCATE);
  truncate_inode_pages_range(cpu, file, start, end);
}

/** Drops the pages of [start, end) that are clean, unlocked and not mapped. Never sleeps. @returns how many */
export function invalidate_mapping_pages(cpu: Cpu, file: MappingId, start: number, end: number): number {
  let dropped = 0;
  eachCachedFolio(cpu, file, start, end, (pfn, index) => {
    if (!folio_trylock(cpu, pfn)) return true;
    if (folioIsOf(cpu, pfn, file, index) && mapping_evict_folio(cpu, pfn)) dropped++;
    folio_unlock(cpu, pfn);
    return true;
  });
  return dropped;
}

/** Drops one page if nobody needs it. @locks in: the folio lock, one reference. Never sleeps. @returns whether it is out of its file */
export function mapping_evict_folio(cpu: Cpu, pfn: Pfn): boolean {
  if (folioTest(cpu, pfn, PG_dirty | PG_writeback) || folio_mapcount(cpu, pfn) > 0) return false;
  return remove_mapping(cpu, pfn);
}

/**
 * One page of a file for a reader that maps nothing: from the page cache, or from the device, with what read-ahead brings along.
 * @kernel mm/filemap.c filemap_get_pages(), filemap_create_folio(), filemap_update_page()
 * @fidelity reduced: one page
 * Next: syscalls/file_rw.ts
 */

import type { MappingId, Pfn } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { WRITE_ONCE } from '../memory/atomic.ts';
import {
  FILE_DISK,
  fileKind,
  filemap_invalidate_lock_shared,
  filemap_invalidate_unlock_shared,
  raPrevPosWord,
} from '../mm/address_space.ts';
import { filemap_get_folio, filemapGetResident, folioIsOf } from '../mm/filemap.ts';
import { filemapGetOrCreate } from '../mm/filemap_create.ts';
import { folioTest, NO_FOLIO, PG_readahead, PG_uptodate } from '../mm/folio.ts';
import { folio_mark_accessed } from '../mm/folio_add_lru.ts';
import { folio_trylock, folio_unlock, folio_wait_locked_killable } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { filemap_read_folio } from './file_io.ts';
import { page_cache_async_ra, page_cache_sync_ra } from './readahead.ts';

/** A page with a reference for the caller, up to date when it was looked at; or an errno. */
export interface PageRead {
  readonly error: number;
  readonly pfn: Pfn;
}
const failed = (error: number): PageRead => ({ error, pfn: NO_FOLIO });

/** @locks none in, none out. Takes the invalidate lock shared and folio locks; may sleep, a fatal signal ends the sleep */
export function filemapReadPage(cpu: Cpu, file: MappingId, index: number): PageRead {
  if (fileKind(cpu.memory, file) !== FILE_DISK) {
    const resident = filemapGetResident(cpu, file, index);
    return resident === NO_FOLIO ? failed(ENOMEM) : { error: 0, pfn: resident };
  }
  for (;;) {
    const pfn = lookUp(cpu, file, index);
    if (pfn === NO_FOLIO) return failed(ENOMEM);
    if (folioTest(cpu, pfn, PG_readahead)) page_cache_async_ra(cpu, file, pfn, index, 1);
    const result = folioTest(cpu, pfn, PG_uptodate) ? UP_TO_DATE : filemap_update_page(cpu, file, index, pfn);
    if (result === UP_TO_DATE) {
      WRITE_ONCE(cpu, raPrevPosWord(cpu.memory, file), index);
      folio_mark_accessed(cpu, pfn);
      return { error: 0, pfn };
    }
    folio_put(cpu, pfn);
    if (result !== AGAIN) return failed(result);
  }
}

const UP_TO_DATE = 0;
/** Somebody else works on the page, or it has left the file: look it up again. Not an errno. */
const AGAIN = 1;

/** The page's folio, with a reference, read or being read or neither; NO_FOLIO when memory is out. */
function lookUp(cpu: Cpu, file: MappingId, index: number): Pfn {
  const found = filemap_get_folio(cpu, file, index);
  if (found !== NO_FOLIO) return found;
  page_cache_sync_ra(cpu, file, index, 1);
  const read = filemap_get_folio(cpu, file, index);
  if (read !== NO_FOLIO) return read;
  // Created under the invalidate lock, so that no hole is punched between the look and the read.
  filemap_invalidate_lock_shared(cpu, file);
  const created = filemapGetOrCreate(cpu, file, index);
  filemap_invalidate_unlock_shared(cpu, file);
  return created;
}

/** A page that is not up to date: waits for whoever reads it, or reads it. @locks in and out: a reference. @returns UP_TO_DATE, AGAIN or an errno */
function filemap_update_page(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): number {
  filemap_invalidate_lock_shared(cpu, file);
  if (!folio_trylock(cpu, pfn)) {
    filemap_invalidate_unlock_shared(cpu, file);
    const killed = folio_wait_locked_killable(cpu, pfn);
    return killed === 0 ? AGAIN : killed;
  }
  let result = AGAIN;
  if (folioIsOf(cpu, pfn, file, index) && !folioTest(cpu, pfn, PG_uptodate)) result = filemap_read_folio(cpu, file, pfn);
  else {
    if (folioIsOf(cpu, pfn, file, index)) result = UP_TO_DATE;
    folio_unlock(cpu, pfn);
  }
  filemap_invalidate_unlock_shared(cpu, file);
  return result;
}

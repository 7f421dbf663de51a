/**
 * Finding a page in the page cache, or putting an empty one there: neither up to date nor locked, for whoever locks it first to fill.
 * @kernel mm/filemap.c __filemap_get_folio() with FGP_CREAT | FGP_FOR_MMAP
 * @fidelity reduced: single pages
 * Next: io/file_io.ts
 */

import type { MappingId, Pfn } from '../base/brand.ts';
import { EEXIST } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { allocForCache } from './alloc_or_reclaim.ts';
import { filemap_add_folio, filemap_get_folio } from './filemap.ts';
import { NO_FOLIO } from './folio.ts';
import { __folio_set_locked, folio_unlock } from './folio_lock.ts';
import { folio_put } from './page_alloc.ts';

/** @locks in: the invalidate lock. Never sleeps. @returns the folio, with a reference for the caller; NO_FOLIO when memory is out */
export function filemapGetOrCreate(cpu: Cpu, file: MappingId, index: number): Pfn {
  for (;;) {
    const found = filemap_get_folio(cpu, file, index);
    if (found !== NO_FOLIO) return found;
    const fresh = allocForCache(cpu);
    if (fresh === NO_FOLIO) return NO_FOLIO;
    __folio_set_locked(cpu, fresh);
    const error = filemap_add_folio(cpu, file, index, fresh);
    folio_unlock(cpu, fresh);
    if (error === 0) return fresh;
    folio_put(cpu, fresh);
    if (error !== EEXIST) return NO_FOLIO;
  }
}

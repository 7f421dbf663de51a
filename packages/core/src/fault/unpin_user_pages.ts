/**
 * Giving pins back, and saying that the pages were written: the entry through which GUP found a page may be gone or write-protected since, so nobody
 * else would notice.
 * @kernel mm/gup.c unpin_user_pages_dirty_lock()
 * @fidelity faithful
 * Next: mm/page_alloc.ts unpin_user_page()
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folioTest, PG_dirty, ZERO_PFN } from '../mm/folio.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { unpin_user_page } from '../mm/page_alloc.ts';

/** @param makeDirty the pages were written. @locks none in, none out. May sleep for the lock of a folio that is clean. */
export function unpin_user_pages_dirty_lock(cpu: Cpu, pages: readonly Pfn[], makeDirty: boolean): void {
  for (const pfn of pages) {
    if (pfn === ZERO_PFN) continue;
    // Dirty already: it stays so at least until whoever writes it back has unmapped or write-protected it, and then this pin tells.
    if (makeDirty && !folioTest(cpu, pfn, PG_dirty)) {
      folio_lock(cpu, pfn);
      folio_mark_dirty(cpu, pfn);
      folio_unlock(cpu, pfn);
    }
    unpin_user_page(cpu, pfn);
  }
}

/**
 * A page of shmem leaves its file for swap: it gets a slot, the file keeps the number of the slot in the page's place, and the page is in the swap
 * cache until it is written and nobody wants it.
 *
 *   reclaiming CPU (folio locked)             faulting CPU
 *                                             1 finds the folio in the file
 *   2 slot; the number replaces the folio
 *                                             3 waits for its lock, has it: not the file's page any more (R14)
 *                                             4 finds the number, and by it the folio in the swap cache  <- decides: the same page,
 *                                               without a read
 *
 * @kernel mm/shmem.c shmem_writeout(), shmem_delete_from_page_cache()
 * @fidelity reduced: one page per folio
 * Next: reclaim/shrink_folio_list.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { swap_writeout } from '../io/swap_io.ts';
import { filemap_remove_folio } from '../mm/filemap.ts';
import { folioClear, folioSet, folioSwapEntry, PG_dirty } from '../mm/folio.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { xa_mk_value } from '../mm/swap_entry.ts';
import { folio_alloc_swap } from '../mm/swap_state.ts';
import { swap_duplicate } from '../mm/swapfile.ts';

/**
 * Moves a clean-marked, unmapped page to swap and starts its write. @locks in: the folio's, and a reference. out: nothing when it returns true; the
 * folio's, which is dirty again, when swap space is out. May sleep: for a request
 */
export function shmem_writeout(cpu: Cpu, pfn: Pfn): boolean {
  if (!folio_alloc_swap(cpu, pfn)) {
    folioSet(cpu, pfn, PG_dirty); // Alone: under the folio lock.
    return false;
  }
  const entry = folioSwapEntry(cpu.memory, pfn);
  swap_duplicate(cpu, entry); // The file's.
  filemap_remove_folio(cpu, pfn, xa_mk_value(entry));
  folio_put(cpu, pfn); // The page cache's; the swap cache has one.
  folioClear(cpu, pfn, PG_dirty); // Before the write. Pairs with: whoever brings it back and dirties it meanwhile.
  swap_writeout(cpu, pfn);
  return true;
}

/**
 * Bringing a page of shmem back from swap: from the swap cache, or from the device. The page moves from the swap cache to the file, where the number
 * of its entry was, and its slot is free.
 *
 *   faulting CPU                              truncating CPU
 *   1 finds number S, reads the page into the
 *     swap cache, locks it
 *                                             2 takes S out of the file, frees the slot
 *   3 S again? no  <- decides: the page belongs to nobody; looks again
 *   4 (yes) puts the page where S was, under the lock of the tree, which compares once more
 *
 * The lock of the folio is waited for uninterruptibly, and a fault keeps its lock over the wait and over the read.
 * @kernel mm/shmem.c shmem_swapin_folio(), shmem_confirm_swap(), shmem_set_folio_swapin_error()
 * @fidelity reduced: also on a synchronous device through the swap cache
 * Next: io/swap_cluster_readahead.ts
 */
import type { MappingId, Pfn, SwpEntry } from '../base/brand.ts';
import { EIO, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { pagesLockWord, pagesRoot } from '../mm/address_space.ts';
import { filemap_add_folio } from '../mm/filemap.ts';
import { folioSet, folioTest, NO_FOLIO, PG_dirty, PG_uptodate } from '../mm/folio.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { folio_wait_writeback } from '../mm/folio_writeback.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { non_swap_entry, PTE_MARKER_POISONED, SWP_PTE_MARKER, swp_entry, xa_mk_value, xa_to_value } from '../mm/swap_entry.ts';
import { folio_matches_swap_entry, swap_cache_del_folio, swap_cache_get_folio } from '../mm/swap_state.ts';
import { swap_free } from '../mm/swapfile.ts';
import { xa_load, xa_store } from '../mm/xarray.ts';
import { TRACE_SWAP_IN } from '../trace/events.ts';
import { AFTER_FOLIO_LOCK, AFTER_SWAP_LOOKUP, at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { noteSlotHit, swap_cluster_readahead, takeReadaheadMark } from './swap_cluster_readahead.ts';

/** What a page of shmem holds that could not be read: whoever asks for it is told so, until it is punched out. @kernel make_poisoned_swp_entry() */
const SWAPIN_ERROR: number = xa_mk_value(swp_entry(SWP_PTE_MARKER, PTE_MARKER_POISONED));

export interface SwapinResult {
  /** 0; EIO or ENOMEM; or AGAIN: what the file has there has changed, look again. */
  readonly error: number;
  /** Locked, up to date, dirty, with a reference for the caller; NO_FOLIO with an error. */
  readonly pfn: Pfn;
  /** The page was not in the swap cache. */
  readonly read: boolean;
}
export const SWAPIN_AGAIN = 1;

const nothing = (error: number, read: boolean): SwapinResult => ({ error, pfn: NO_FOLIO, read });

/**
 * @param number what the file has at that index: the number of a swap entry
 * @locks in: nothing from the folio lock on; a fault holds its fault lock. out: the same and the lock of the folio. May sleep, uninterruptibly
 */
export function shmem_swapin_folio(cpu: Cpu, file: MappingId, index: number, number: number): SwapinResult {
  const entry = xa_to_value(number) as SwpEntry;
  if (non_swap_entry(entry)) return nothing(EIO, false);
  let pfn = swap_cache_get_folio(cpu, entry);
  const read = pfn === NO_FOLIO;
  at(cpu, AFTER_SWAP_LOOKUP);
  if (read) pfn = swap_cluster_readahead(cpu, entry);
  else if (takeReadaheadMark(cpu, pfn)) noteSlotHit(cpu);
  if (pfn === NO_FOLIO) return nothing(shmem_confirm_swap(cpu, file, index, number) ? ENOMEM : SWAPIN_AGAIN, read);
  at(cpu, BEFORE_FOLIO_LOCK);
  folio_lock(cpu, pfn); // Row 46: neither politeness nor a signal ends this wait.
  at(cpu, AFTER_FOLIO_LOCK);
  const error = moveToFile(cpu, file, index, number, pfn);
  if (error === 0) {
    trace(cpu, TRACE_SWAP_IN, entry, pfn, read ? 1 : 0);
    return { error, pfn, read };
  }
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  return nothing(error, read);
}

/** Does the file still have that number there? */
function shmem_confirm_swap(cpu: Cpu, file: MappingId, index: number, number: number): boolean {
  return xa_load(cpu, pagesRoot(cpu.memory, file), index) === number;
}

/** @locks in: the folio's, and a reference beside the swap cache's. @returns 0, EIO or SWAPIN_AGAIN */
function moveToFile(cpu: Cpu, file: MappingId, index: number, number: number, pfn: Pfn): number {
  const entry = xa_to_value(number) as SwpEntry;
  if (!folio_matches_swap_entry(cpu, pfn, entry) || !shmem_confirm_swap(cpu, file, index, number)) return SWAPIN_AGAIN; // R15
  folio_wait_writeback(cpu, pfn);
  if (!folioTest(cpu, pfn, PG_uptodate)) return setSwapinError(cpu, file, index, number, pfn);
  if (filemap_add_folio(cpu, file, index, pfn, number) !== 0) return SWAPIN_AGAIN; // Truncated in between. There is room: the number was there.
  swap_cache_del_folio(cpu, pfn);
  folioSet(cpu, pfn, PG_dirty); // The only copy from here on.
  swap_free(cpu, entry);
  return 0;
}

/** The page is lost. @locks in: the folio's @kernel shmem_set_folio_swapin_error() */
function setSwapinError(cpu: Cpu, file: MappingId, index: number, number: number, pfn: Pfn): number {
  const m = cpu.memory;
  const root = pagesRoot(m, file);
  spin_lock(cpu, pagesLockWord(m, file));
  const same = xa_load(cpu, root, index) === number;
  if (same) xa_store(cpu, root, index, SWAPIN_ERROR); // Cannot fail: the slot is there.
  spin_unlock(cpu, pagesLockWord(m, file));
  if (!same) return SWAPIN_AGAIN;
  swap_cache_del_folio(cpu, pfn);
  swap_free(cpu, xa_to_value(number) as SwpEntry);
  return EIO;
}

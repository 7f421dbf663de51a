/**
 * Reading pages of swap into the swap cache, one or a block of slots at a time. Faults of anonymous memory come here where a swap area is on a
 * rotational device, faults of shmem always: a page of a file has no address that would say what is next.
 *
 * The window is the aligned block of slots around the page's. It grows with hits: faults that find a page which was read ahead (it carries
 * PG_readahead) since the last window was chosen.
 * @kernel mm/swap_state.c swap_cluster_readahead(), __swapin_nr_pages(), __read_swap_cache_async()
 * @fidelity faithful; one page per folio. The kernel starts with 4 hits at boot, here with none
 * Next: fault/swapin_readahead.ts, io/shmem_swapin_folio.ts
 */

import type { Pfn, SwpEntry, Word } from '../base/brand.ts';
import { ENOENT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_xchg, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { H_VM } from '../memory/header.ts';
import { allocForCache } from '../mm/alloc_or_reclaim.ts';
import { folioClear, folioSet, NO_FOLIO, PG_readahead } from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { __folio_set_locked, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { swp_entry, swp_offset, swpSwap } from '../mm/swap_entry.ts';
import { swap_cache_add_folio, swap_cache_get_folio } from '../mm/swap_state.ts';
import { swap_count, swapMax, waitForSwapClaim } from '../mm/swapfile.ts';
import { page_cluster } from '../mm/vm_sysctl.ts';
import { count_vm_event, SWAP_RA, SWAP_RA_HIT } from '../trace/counters.ts';
import { swap_read_folio } from './swap_io.ts';

/** The by-slot way remembers for the whole machine: the last slot, hits since, and the last window. */
const PREV_OFFSET = (H_VM + 32) as Word;
const HITS = (H_VM + 33) as Word;
const LAST_WINDOW = (H_VM + 34) as Word;

interface CacheRead {
  readonly pfn: Pfn;
  /** It was not in the swap cache: it is now, locked, to be read. */
  readonly allocated: boolean;
}
const NOTHING: CacheRead = { pfn: NO_FOLIO, allocated: false };

/** A folio was found in the swap cache: if it was read ahead, that counts once. @returns whether it was */
export function takeReadaheadMark(cpu: Cpu, pfn: Pfn): boolean {
  const hit = (folioClear(cpu, pfn, PG_readahead) & PG_readahead) !== 0; // Alone: a hint.
  if (hit) count_vm_event(cpu, SWAP_RA_HIT);
  return hit;
}

/** A hit for the next window by slot. */
export function noteSlotHit(cpu: Cpu): void {
  atomic_fetch_add(cpu, HITS, 1); // Pairs with: swapin_nr_pages().
}

/** Starts reading a page, and waits for nothing. May sleep for a request. */
export function readSwapAhead(cpu: Cpu, entry: SwpEntry): void {
  const pfn = readCached(cpu, entry, false);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
}

/** @returns the folio with a reference, its read started if nobody else has done that */
export function readCached(cpu: Cpu, entry: SwpEntry, ahead: boolean): Pfn {
  const { pfn, allocated } = __read_swap_cache_async(cpu, entry);
  if (!allocated) return pfn;
  if (ahead) {
    folioSet(cpu, pfn, PG_readahead); // Before the read: while the folio is locked nobody counts a hit.
    count_vm_event(cpu, SWAP_RA);
  }
  swap_read_folio(cpu, pfn);
  return pfn;
}

/** The folio of an entry, from the swap cache or fresh. Waits, a tick at a time, while a fault that reads by itself has claimed the entry. */
function __read_swap_cache_async(cpu: Cpu, entry: SwpEntry): CacheRead {
  for (;;) {
    const pfn = swap_cache_get_folio(cpu, entry);
    if (pfn !== NO_FOLIO) return { pfn, allocated: false };
    if (swap_count(cpu, entry) === 0) return NOTHING;
    const fresh = allocForCache(cpu);
    if (fresh === NO_FOLIO) return NOTHING;
    __folio_set_locked(cpu, fresh);
    const result = swap_cache_add_folio(cpu, fresh, entry);
    if (result === 0) {
      folio_add_lru(cpu, fresh);
      return { pfn: fresh, allocated: true };
    }
    folio_unlock(cpu, fresh);
    folio_put(cpu, fresh);
    if (result === ENOENT) return NOTHING;
    waitForSwapClaim(cpu, entry);
  }
}

/** One of the pages around. */
export function readAround(cpu: Cpu, entry: SwpEntry): void {
  const pfn = readCached(cpu, entry, true);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
}

/**
 * Starts reading the page of a slot, and those around it that are used and not cached. May sleep: for requests, and on a synchronous device for the
 * reads. @returns the page's folio with a reference, usually locked by the I/O; NO_FOLIO when memory is out or the slot is not used any more
 */
export function swap_cluster_readahead(cpu: Cpu, entry: SwpEntry): Pfn {
  readSlotsAround(cpu, entry);
  return readCached(cpu, entry, false);
}

function readSlotsAround(cpu: Cpu, entry: SwpEntry): void {
  const offset = swp_offset(entry);
  const mask = swapin_nr_pages(cpu, offset) - 1;
  if (mask === 0) return;
  const area = swpSwap(entry);
  const last = Math.min(offset | mask, swapMax(cpu.memory, area) - 1);
  for (let at = Math.max(offset & ~mask, 1); at <= last; at++) {
    // The page itself in its place among the others, so that requests go to the device in order.
    if (at === offset) readSwapAhead(cpu, entry);
    else readAround(cpu, swp_entry(area, at));
  }
}

function swapin_nr_pages(cpu: Cpu, offset: number): number {
  const max = 1 << page_cluster(cpu.memory);
  if (max <= 1) return 1;
  const hits = atomic_xchg(cpu, HITS, 0); // Pairs with: swap_update_readahead().
  const pages = __swapin_nr_pages(READ_ONCE(cpu, PREV_OFFSET), offset, hits, max, READ_ONCE(cpu, LAST_WINDOW));
  if (hits === 0) WRITE_ONCE(cpu, PREV_OFFSET, offset);
  WRITE_ONCE(cpu, LAST_WINDOW, pages);
  return pages;
}

/** The size of a window. @param prev the place of the last one */
export function __swapin_nr_pages(prev: number, place: number, hits: number, max: number, lastWindow: number): number {
  let pages = hits + 2;
  if (pages > 2) {
    let rounded = 4;
    while (rounded < pages) rounded *= 2;
    pages = rounded;
  } else if (place !== prev + 1 && place !== prev - 1) pages = 1; // Not even neighbours: no sign that more is wanted.
  return Math.max(Math.min(pages, max), lastWindow >> 1);
}

/**
 * Which pages come along when one is read from swap.
 *
 *   by address   no swap area is on a rotational device: the window lies ahead of, behind or around the page, by where the last fault of the area
 *                was; every swap entry in it is read
 *   by slot      otherwise: the aligned block of slots around the page's; every slot that is used and not cached is read
 *
 * The window grows with hits: faults that find a page which was read ahead (it carries PG_readahead) since the last window was chosen.
 * @kernel mm/swap_state.c swapin_readahead(), swap_cluster_readahead(), swap_vma_readahead(), __swapin_nr_pages(), __read_swap_cache_async(),
 *   swap_update_readahead()
 * @fidelity faithful; one page per folio. The kernel starts the by-slot way with 4 hits at boot, here with none
 * Next: fault/folio_lock_or_retry.ts
 */
import type { Pfn, SwpEntry, VmaId, Vpn, Word } from '../base/brand.ts';
import { ENOENT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { swap_read_folio } from '../io/swap_io.ts';
import { atomic_fetch_add, atomic_xchg, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { H_VM } from '../memory/header.ts';
import { folioClear, folioSet, NO_FOLIO, PG_readahead } from '../mm/folio.ts';
import { __folio_set_locked, folio_unlock } from '../mm/folio_lock.ts';
import { alloc_page, folio_put } from '../mm/page_alloc.ts';
import { PMD_PAGES, ptep_get, pteWord } from '../mm/page_table.ts';
import { is_swap_pte, non_swap_entry, pte_to_swp_entry, swp_entry, swp_offset, swpSwap } from '../mm/swap_entry.ts';
import { swap_cache_add_folio, swap_cache_get_folio } from '../mm/swap_state.ts';
import { anyRotationalSwap, swap_count, swapMax, waitForSwapClaim } from '../mm/swapfile.ts';
import { swapReadaheadPageWord, swapReadaheadWindowWord, vm_end, vm_start } from '../mm/vm_area_struct.ts';
import { page_cluster } from '../mm/vm_sysctl.ts';
import { count_vm_event, SWAP_RA, SWAP_RA_HIT } from '../trace/counters.ts';
import { liveVma, type VmFault } from './vm_fault.ts';

/** The by-slot way remembers for the whole machine: the last slot, hits since, and the last window. */
const PREV_OFFSET = (H_VM + 32) as Word;
const HITS = (H_VM + 33) as Word;
const LAST_WINDOW = (H_VM + 34) as Word;

/** Of an area's memory: window * WINDOW_ONE + hits. @kernel SWAP_RA_HITS_MAX */
const WINDOW_ONE = 64;
const HITS_MAX = WINDOW_ONE - 1;
/** The hits of an area that nothing is known of yet. */
const FIRST_HITS = 4;
/** @kernel SWAP_RA_ORDER_CEILING */
const ORDER_CEILING = 5;

interface CacheRead {
  readonly pfn: Pfn;
  /** It was not in the swap cache: it is now, locked, to be read. */
  readonly allocated: boolean;
}
const NOTHING: CacheRead = { pfn: NO_FOLIO, allocated: false };

/**
 * Starts reading the page of a swap entry, and some around it. @locks in: the fault lock. May sleep: for requests, and on a synchronous device for
 * the reads. @returns the page's folio with a reference, usually locked by the I/O; NO_FOLIO when memory is out or the slot is not used any more
 */
export function swapin_readahead(cpu: Cpu, vmf: VmFault, entry: SwpEntry): Pfn {
  if (anyRotationalSwap(cpu.memory)) swap_cluster_readahead(cpu, entry);
  else swap_vma_readahead(cpu, vmf, entry);
  return readCached(cpu, entry, false);
}

/** A folio was found in the swap cache by a fault: was it read ahead? @locks in: the fault lock; a reference */
export function swap_update_readahead(cpu: Cpu, vma: VmaId, vpn: Vpn, pfn: Pfn): void {
  const hit = (folioClear(cpu, pfn, PG_readahead) & PG_readahead) !== 0; // Alone: a hint.
  if (hit) count_vm_event(cpu, SWAP_RA_HIT);
  if (anyRotationalSwap(cpu.memory)) {
    if (hit) atomic_fetch_add(cpu, HITS, 1); // Pairs with: swapin_nr_pages().
    return;
  }
  const { window, hits } = areaWindow(cpu, vma);
  WRITE_ONCE(cpu, swapReadaheadPageWord(cpu.memory, vma), vpn);
  WRITE_ONCE(cpu, swapReadaheadWindowWord(cpu.memory, vma), window * WINDOW_ONE + Math.min(hits + Number(hit), HITS_MAX));
}

/** Reads a page for an advice, without waiting for it. @locks as swapin_readahead() */
export function readSwapAhead(cpu: Cpu, entry: SwpEntry): void {
  const pfn = readCached(cpu, entry, false);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
}

/** @returns the folio with a reference, its read started if nobody else has done that */
function readCached(cpu: Cpu, entry: SwpEntry, ahead: boolean): Pfn {
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
    const fresh = alloc_page(cpu);
    if (fresh === NO_FOLIO) return NOTHING;
    __folio_set_locked(cpu, fresh);
    const result = swap_cache_add_folio(cpu, fresh, entry);
    if (result === 0) return { pfn: fresh, allocated: true };
    folio_unlock(cpu, fresh);
    folio_put(cpu, fresh);
    if (result === ENOENT) return NOTHING;
    waitForSwapClaim(cpu, entry);
  }
}

/** One of the pages around. */
function readAround(cpu: Cpu, entry: SwpEntry): void {
  const pfn = readCached(cpu, entry, true);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
}

function swap_cluster_readahead(cpu: Cpu, entry: SwpEntry): void {
  const offset = swp_offset(entry);
  const mask = swapin_nr_pages(cpu, offset) - 1;
  if (mask === 0) return;
  const area = swpSwap(entry);
  const last = Math.min(offset | mask, swapMax(cpu.memory, area) - 1);
  for (let at = Math.max(offset & ~mask, 1); at <= last; at++) {
    if (at === offset) readOwn(cpu, entry);
    else readAround(cpu, swp_entry(area, at));
  }
}

/** The faulting page, in its place among the others, so that requests go to the device in order. */
function readOwn(cpu: Cpu, entry: SwpEntry): void {
  const pfn = readCached(cpu, entry, false);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
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

function areaWindow(cpu: Cpu, vma: VmaId): { readonly window: number; readonly hits: number } {
  const packed = READ_ONCE(cpu, swapReadaheadWindowWord(cpu.memory, vma)) || FIRST_HITS;
  return { window: Math.floor(packed / WINDOW_ONE), hits: packed % WINDOW_ONE };
}

/** Pages [start, end) to read, all in one page table. @kernel swap_vma_ra_win() */
function areaRange(cpu: Cpu, vma: VmaId, vpn: Vpn): { readonly start: number; readonly end: number } {
  const m = cpu.memory;
  const max = 1 << Math.min(page_cluster(m), ORDER_CEILING);
  if (max === 1) return { start: vpn, end: vpn + 1 };
  const prev = READ_ONCE(cpu, swapReadaheadPageWord(m, vma));
  const { window, hits } = areaWindow(cpu, vma);
  const pages = __swapin_nr_pages(prev, vpn, hits, max, window);
  WRITE_ONCE(cpu, swapReadaheadPageWord(m, vma), vpn);
  WRITE_ONCE(cpu, swapReadaheadWindowWord(m, vma), pages * WINDOW_ONE);
  if (pages === 1) return { start: vpn, end: vpn + 1 };
  const left = vpn === prev + 1 ? vpn : vpn === prev - 1 ? vpn - pages + 1 : vpn - ((pages - 1) >> 1);
  const table = vpn - (vpn % PMD_PAGES);
  return { start: Math.max(left, vm_start(m, vma), table), end: Math.min(left + pages, vm_end(m, vma), table + PMD_PAGES) };
}

function swap_vma_readahead(cpu: Cpu, vmf: VmFault, own: SwpEntry): void {
  const { start, end } = areaRange(cpu, liveVma(vmf), vmf.vpn);
  for (let vpn = start; vpn < end; vpn++) {
    // A look without the lock: a page too many or too few is no harm.
    const pte = ptep_get(cpu, pteWord(cpu.memory, vmf.table, vpn as Vpn));
    if (!is_swap_pte(pte) || non_swap_entry(pte_to_swp_entry(pte))) continue;
    if (vpn === vmf.vpn) readOwn(cpu, own);
    else readAround(cpu, pte_to_swp_entry(pte));
  }
}

/**
 * Which pages come along when one is read from swap.
 *
 *   by address   no swap area is on a rotational device: the window lies ahead of, behind or around the page, by where the last fault of the area
 *                was; every swap entry in it is read
 *   by slot      otherwise: the aligned block of slots around the page's; every slot that is used and not cached is read
 *
 * The window grows with hits: faults that find a page which was read ahead (it carries PG_readahead) since the last window was chosen.
 * @kernel mm/swap_state.c swapin_readahead(), swap_vma_readahead(), swap_update_readahead()
 * @fidelity faithful; one page per folio
 * Next: io/swap_cluster_readahead.ts
 */
import type { Pfn, SwpEntry, VmaId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  __swapin_nr_pages,
  noteSlotHit,
  readAround,
  readCached,
  readSwapAhead,
  swap_cluster_readahead,
  takeReadaheadMark,
} from '../io/swap_cluster_readahead.ts';
import { READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { PMD_PAGES, ptep_get, pteWord } from '../mm/page_table.ts';
import { is_swap_pte, non_swap_entry, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { anyRotationalSwap } from '../mm/swapfile.ts';
import { swapReadaheadPageWord, swapReadaheadWindowWord, vm_end, vm_start } from '../mm/vm_area_struct.ts';
import { page_cluster } from '../mm/vm_sysctl.ts';
import { liveVma, type VmFault } from './vm_fault.ts';

/** Of an area's memory: window * WINDOW_ONE + hits. @kernel SWAP_RA_HITS_MAX */
const WINDOW_ONE = 64;
const HITS_MAX = WINDOW_ONE - 1;
/** The hits of an area that nothing is known of yet. */
const FIRST_HITS = 4;
/** @kernel SWAP_RA_ORDER_CEILING */
const ORDER_CEILING = 5;

/**
 * Starts reading the page of a swap entry, and some around it. @locks in: the fault lock. May sleep: for requests, and on a synchronous device for
 * the reads. @returns the page's folio with a reference, usually locked by the I/O; NO_FOLIO when memory is out or the slot is not used any more
 */
export function swapin_readahead(cpu: Cpu, vmf: VmFault, entry: SwpEntry): Pfn {
  if (anyRotationalSwap(cpu.memory)) return swap_cluster_readahead(cpu, entry);
  swap_vma_readahead(cpu, vmf, entry);
  return readCached(cpu, entry, false);
}

/** A folio was found in the swap cache by a fault: was it read ahead? @locks in: the fault lock; a reference */
export function swap_update_readahead(cpu: Cpu, vma: VmaId, vpn: Vpn, pfn: Pfn): void {
  const hit = takeReadaheadMark(cpu, pfn);
  if (anyRotationalSwap(cpu.memory)) {
    if (hit) noteSlotHit(cpu);
    return;
  }
  const { window, hits } = areaWindow(cpu, vma);
  WRITE_ONCE(cpu, swapReadaheadPageWord(cpu.memory, vma), vpn);
  WRITE_ONCE(cpu, swapReadaheadWindowWord(cpu.memory, vma), window * WINDOW_ONE + Math.min(hits + Number(hit), HITS_MAX));
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
    if (vpn === vmf.vpn) readSwapAhead(cpu, own);
    else readAround(cpu, pte_to_swp_entry(pte));
  }
}

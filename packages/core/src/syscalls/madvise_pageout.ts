/**
 * madvise on pages that will not be needed soon (COLD), that shall go to swap now (PAGEOUT), or that will be needed (WILLNEED).
 * @kernel mm/madvise.c madvise_cold_or_pageout_pte_range(), madvise_pageout(), madvise_cold(), swapin_walk_pmd_entry()
 * @fidelity reduced: WILLNEED reads anonymous memory and shmem back from swap and does nothing for other files; COLD only makes pages look unused
 * Next: reclaim/reclaim_pages.ts
 */
import type { Pfn, SwpEntry, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_TABLE } from '../base/brand.ts';
import { EINVAL } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { readSwapAhead } from '../io/swap_cluster_readahead.ts';
import { pagesRoot, shmem_mapping } from '../mm/address_space.ts';
import { folio_mapcount, folioClear, PG_active, PG_referenced } from '../mm/folio.ts';
import { type MADV_COLD, MADV_PAGEOUT } from '../mm/mman.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { PTE_YOUNG, pte_mkold, pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { is_swap_pte, non_swap_entry, pte_to_swp_entry, xa_is_value, xa_to_value } from '../mm/swap_entry.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { linear_page_index, vm_file, vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_LOCKED, VM_PFNMAP } from '../mm/vm_flags.ts';
import { xa_find, xa_load } from '../mm/xarray.ts';
import { isolateIfReclaimable, reclaim_pages } from '../reclaim/reclaim_pages.ts';
import { count_vm_event, PGDEACTIVATE } from '../trace/counters.ts';

/** @locks in: mmap read. May sleep. @returns 0, or EINVAL for an area whose pages must stay. @kernel can_madv_lru_vma() */
export function madvise_cold_or_pageout(
  cpu: Cpu,
  vma: VmaId,
  start: Vpn,
  end: Vpn,
  advice: typeof MADV_COLD | typeof MADV_PAGEOUT,
): number {
  if ((vm_flags(cpu.memory, vma) & (VM_LOCKED | VM_PFNMAP)) !== 0) return EINVAL;
  forEachTable(cpu, vma, start, end, (table, first, last) => {
    if (advice === MADV_PAGEOUT) pageoutTable(cpu, table, first, last);
    else coldTable(cpu, vma, table, first, last);
  });
  return 0;
}

function forEachTable(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn, visit: (table: TableId, first: number, last: number) => void): void {
  for (let vpn = start as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, vm_mm(cpu.memory, vma), vpn as Vpn);
    if (table !== NO_TABLE) visit(table, vpn, tableEnd);
    vpn = tableEnd;
  }
}

/** Pages that somebody else maps too are left alone. @locks in: the page-table lock. @returns NO_FOLIO's number, 0, for "not this one" */
function ownFolio(cpu: Cpu, table: TableId, vpn: number): Pfn {
  const pte = ptep_get(cpu, pteWord(cpu.memory, table, vpn as Vpn));
  if (!pte_present(pte) || pte_special(pte)) return 0 as Pfn;
  return folio_mapcount(cpu, pte_pfn(pte)) === 1 ? pte_pfn(pte) : (0 as Pfn);
}

/** Isolates under the page-table lock, reclaims without it, in the order of addresses. */
function pageoutTable(cpu: Cpu, table: TableId, first: number, last: number): void {
  const folios: Pfn[] = [];
  pte_offset_map_lock(cpu, table, first as Vpn);
  for (let vpn = first; vpn < last; vpn++) {
    const pfn = ownFolio(cpu, table, vpn);
    if (pfn === 0) continue;
    folioClear(cpu, pfn, PG_referenced); // Alone: a hint.
    if (isolateIfReclaimable(cpu, pfn)) folios.push(pfn);
  }
  pte_unmap_unlock(cpu, table);
  reclaim_pages(cpu, folios);
}

function coldTable(cpu: Cpu, vma: VmaId, table: TableId, first: number, last: number): void {
  pte_offset_map_lock(cpu, table, first as Vpn);
  for (let vpn = first; vpn < last; vpn++) {
    const pfn = ownFolio(cpu, table, vpn);
    if (pfn === 0) continue;
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    if ((ptep_get(cpu, entry) & PTE_YOUNG) !== 0) set_pte_at(cpu, entry, pte_mkold(ptep_get_and_clear(cpu, entry)));
    folioClear(cpu, pfn, PG_referenced | PG_active); // Alone: a hint.
    count_vm_event(cpu, PGDEACTIVATE);
  }
  pte_unmap_unlock(cpu, table);
  flush_tlb_range(cpu, vm_mm(cpu.memory, vma), first as Vpn, last as Vpn);
}

/** Starts reading what is in swap, and waits for nothing. @locks in: mmap read. May sleep for requests */
export function madvise_willneed(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): number {
  const file = vm_file(cpu.memory, vma);
  if (file !== NO_MAPPING) {
    if (shmem_mapping(cpu.memory, file)) shmem_swapin_range(cpu, vma, start, end);
    return 0;
  }
  forEachTable(cpu, vma, start, end, (table, first, last) => {
    for (let vpn = first; vpn < last; vpn++) {
      pte_offset_map_lock(cpu, table, vpn as Vpn);
      const pte = ptep_get(cpu, pteWord(cpu.memory, table, vpn as Vpn));
      pte_unmap_unlock(cpu, table);
      if (is_swap_pte(pte) && !non_swap_entry(pte_to_swp_entry(pte))) readSwapAhead(cpu, pte_to_swp_entry(pte));
    }
  });
  return 0;
}

/** @kernel shmem_swapin_range() */
function shmem_swapin_range(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  const m = cpu.memory;
  const root = pagesRoot(m, vm_file(m, vma));
  const last = linear_page_index(m, vma, end) - 1;
  for (let index = xa_find(cpu, root, linear_page_index(m, vma, start), last); index >= 0; index = xa_find(cpu, root, index + 1, last)) {
    const entry = xa_load(cpu, root, index);
    if (xa_is_value(entry) && !non_swap_entry(xa_to_value(entry) as SwpEntry)) readSwapAhead(cpu, xa_to_value(entry) as SwpEntry);
  }
}

/**
 * MADV_FREE: the pages may be thrown away when memory is short, until somebody writes to them again. What is in swap goes at once.
 *
 *   this CPU                                  writer                            reclaim
 *   1 makes the entry clean, flushes
 *   2 the folio is lazily free (not swapbacked)
 *                                             3 writes: the entry is dirty
 *                                                                               4 takes the entry, flushes: dirty?  <- decides: then it stays
 *
 * @kernel mm/madvise.c madvise_free_pte_range(); mm/swap.c folio_mark_lazyfree()
 * @fidelity faithful; one page per folio
 * Next: reclaim/try_to_unmap.ts
 */
import type { Pfn, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import {
  folio_mapcount,
  folio_test_anon,
  folioClear,
  folioTest,
  PG_active,
  PG_dirty,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
} from '../mm/folio.ts';
import { folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { swapEntsWord } from '../mm/mm_struct.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { PTE_DIRTY, PTE_YOUNG, pte_mkclean, pte_mkold, pte_none, pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { non_swap_entry, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { folio_free_swap, free_swap_and_cache } from '../mm/swap_state.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vm_mm } from '../mm/vm_area_struct.ts';
import { count_vm_event, PGLAZYFREE } from '../trace/counters.ts';

/** @locks in: VMA read or mmap read on an anonymous area. Takes page-table locks; does not sleep */
export function madvise_free_single_vma(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  const mm = vm_mm(cpu.memory, vma);
  for (let vpn = start as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, mm, vpn as Vpn);
    if (table !== NO_TABLE) madvise_free_pte_range(cpu, vma, table, vpn, tableEnd);
    vpn = tableEnd;
  }
  flush_tlb_range(cpu, mm, start, end);
}

function madvise_free_pte_range(cpu: Cpu, vma: VmaId, table: TableId, first: number, last: number): void {
  pte_offset_map_lock(cpu, table, first as Vpn);
  for (let vpn = first; vpn < last; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    const pte = ptep_get(cpu, entry);
    if (pte_none(pte)) continue;
    if (!pte_present(pte)) freeSwapped(cpu, vma, entry);
    else if (!pte_special(pte) && mayFree(cpu, pte_pfn(pte))) freeLazily(cpu, entry, pte_pfn(pte));
  }
  pte_unmap_unlock(cpu, table);
}

function freeSwapped(cpu: Cpu, vma: VmaId, word: Word): void {
  const entry = pte_to_swp_entry(ptep_get(cpu, word));
  if (non_swap_entry(entry)) return;
  ptep_get_and_clear(cpu, word);
  atomic_fetch_add(cpu, swapEntsWord(cpu.memory, vm_mm(cpu.memory, vma)), -1); // Alone: a count.
  free_swap_and_cache(cpu, entry);
}

/** A page that others map, or that is being worked on, stays as it is. Its slot in swap is given back, and it is clean afterwards. */
function mayFree(cpu: Cpu, pfn: Pfn): boolean {
  if (!folio_test_anon(cpu, pfn)) return false;
  if (!folioTest(cpu, pfn, PG_swapcache | PG_dirty)) return folio_mapcount(cpu, pfn) === 1;
  if (!folio_trylock(cpu, pfn)) return false;
  const free = folio_mapcount(cpu, pfn) === 1 && (!folioTest(cpu, pfn, PG_swapcache) || folio_free_swap(cpu, pfn));
  if (free) folioClear(cpu, pfn, PG_dirty); // Pairs with: the test of reclaim after it has frozen the references.
  folio_unlock(cpu, pfn);
  return free;
}

function freeLazily(cpu: Cpu, entry: Word, pfn: Pfn): void {
  if ((ptep_get(cpu, entry) & (PTE_YOUNG | PTE_DIRTY)) !== 0)
    set_pte_at(cpu, entry, pte_mkclean(pte_mkold(ptep_get_and_clear(cpu, entry))));
  const before = folioClear(cpu, pfn, PG_swapbacked | PG_referenced | PG_active); // Pairs with: try_to_unmap(), which looks at the dirty bit.
  if ((before & PG_swapbacked) !== 0) count_vm_event(cpu, PGLAZYFREE);
}

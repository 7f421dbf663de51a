/**
 * Zapping: taking the pages of a range out of the page tables.
 * @kernel mm/memory.c unmap_vmas(), zap_pte_range(); mm/memory.c free_pgtables()
 * @fidelity reduced: no large folios
 * Next: mm/vma_unmap.ts
 */

import { invariant } from '../base/assert.ts';
import type { MmId, Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { TRACE_ZAP_PTE } from '../trace/events.ts';
import { at, BEFORE_ZAP } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { folio_test_anon } from './folio.ts';
import { folio_mark_accessed, lru_add_drain } from './folio_add_lru.ts';
import { folio_mark_dirty } from './folio_dirty.ts';
import { type MmuGather, tlb_finish_mmu, tlb_flush_mmu, tlb_gather_mmu, tlb_remove_tlb_entry, tlbBatchFull } from './mmu_gather.ts';
import { findPteTable, free_pgd_range, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord } from './page_table.ts';
import { PTE_YOUNG, pte_dirty, pte_none, pte_pfn, pte_present, pte_special } from './pte.ts';
import { pte_install_uffd_wp_if_needed } from './pte_install_uffd_wp.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import { folio_remove_rmap_pte } from './rmap.ts';
import { is_migration_entry, pfn_swap_entry_to_page, pte_to_swp_entry } from './swap_entry.ts';
import { vm_end, vm_mm, vm_start } from './vm_area_struct.ts';
import { type MarkerFate, zap_nonpresent_pte } from './zap_nonpresent.ts';

/**
 * Removes the pages of [start, end) of one area. Frames go on the gather. @param evenCows false leaves what is not a page of the area's file
 * @param markers what becomes of marks, and whether write-protected pages of a file leave one: 'drop' when the area goes, 'keep' when only its pages do
 * @locks in: VMA read, mmap read or mmap write on the area, or i_mmap of its file, or the area is detached. Takes page-table locks; does not sleep
 */
export function zapRange(cpu: Cpu, tlb: MmuGather, vma: VmaId, start: Vpn, end: Vpn, evenCows = true, markers: MarkerFate = 'drop'): void {
  if (cpu.verify) rangeIsOf(cpu, tlb.mm, vma, start, end);
  at(cpu, BEFORE_ZAP);
  for (let vpn = start as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, tlb.mm, vpn as Vpn);
    if (table !== NO_TABLE) zapTable(cpu, tlb, vma, table, vpn, tableEnd, evenCows, markers);
    if (tlbBatchFull(tlb)) tlb_flush_mmu(cpu, tlb);
    vpn = tableEnd;
  }
}

/** I21: whoever zaps a part of an area names the area that it lies in. @locks as zapRange(), which keep the bounds */
function rangeIsOf(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn): void {
  const m = cpu.memory;
  const inside = vm_mm(m, vma) === mm && start >= vm_start(m, vma) && end <= vm_end(m, vma);
  invariant(inside, 'I21', 'pages are zapped that do not lie in the area of which they are said to be');
}

/**
 * Under the lock from the start: an entry that looks empty may be on its way from a page to what stands for it.
 *
 *   mover or reclaim (has the lock)           this CPU
 *   1 clears the entry, flushes
 *                                             2 looks without the lock: empty, nothing to do
 *   3 sets the migration or swap entry
 *   4 maps the page again                     <- decides: it stays in the books of an address space that ends
 */
function zapTable(
  cpu: Cpu,
  tlb: MmuGather,
  vma: VmaId,
  table: TableId,
  start: number,
  end: number,
  evenCows: boolean,
  markers: MarkerFate,
): void {
  pte_offset_map_lock(cpu, table, start as Vpn);
  for (let vpn = start; vpn < end; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    const pte = ptep_get(cpu, entry);
    if (pte_none(pte) || !(evenCows || isFilePage(cpu, pte))) continue;
    if (pte_present(pte)) zapPte(cpu, tlb, vma, vpn as Vpn, entry);
    else zap_nonpresent_pte(cpu, tlb, vma, vpn as Vpn, entry, pte, markers);
    if (markers === 'keep') pte_install_uffd_wp_if_needed(cpu, vma, entry, pte);
  }
  pte_unmap_unlock(cpu, table);
}

/** The entry maps a page of the area's file, not a private copy, in memory or in swap. @kernel should_zap_folio() */
function isFilePage(cpu: Cpu, pte: Pte): boolean {
  if (pte_present(pte)) return pte_special(pte) || !folio_test_anon(cpu, pte_pfn(pte));
  const swp = pte_to_swp_entry(pte);
  return is_migration_entry(swp) && !folio_test_anon(cpu, pfn_swap_entry_to_page(swp));
}

function zapPte(cpu: Cpu, tlb: MmuGather, vma: VmaId, vpn: Vpn, entry: Word): void {
  const pte: Pte = ptep_get_and_clear(cpu, entry);
  trace(cpu, TRACE_ZAP_PTE, vpn, pte);
  tlb_remove_tlb_entry(tlb, vpn);
  if (pte_special(pte)) return;
  const pfn = pte_pfn(pte);
  if (!folio_test_anon(cpu, pfn)) {
    if (pte_dirty(pte)) folio_mark_dirty(cpu, pfn);
    if ((pte & PTE_YOUNG) !== 0) folio_mark_accessed(cpu, pfn);
  }
  folio_remove_rmap_pte(cpu, pfn, vma);
  tlb.pages.push(pfn);
}

/** Removes the pages of [start, end) of one area and flushes. Guard markers stay. @locks as zapRange() @kernel zap_page_range_single() */
export function zap_page_range_single(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  lru_add_drain(cpu);
  const tlb = tlb_gather_mmu(cpu, vm_mm(cpu.memory, vma));
  zapRange(cpu, tlb, vma, start, end, true, 'keep');
  tlb_finish_mmu(cpu, tlb);
}

/**
 * Removes all pages of a run of detached areas, unlinks the page tables that nothing else between `floor` and `ceiling` needs, and gives
 * everything back after the flush.
 * @param beforeTables takes the areas off their files and anon_vmas, so that no reverse walk reaches a table that is freed
 * @locks in: mmap_lock, either way; the areas are detached
 */
export function unmapRegion(
  cpu: Cpu,
  mm: MmId,
  areas: readonly VmaId[],
  floor: number,
  ceiling: number,
  beforeTables: (vma: VmaId) => void,
): void {
  const m = cpu.memory;
  lru_add_drain(cpu);
  const tlb = tlb_gather_mmu(cpu, mm);
  for (const vma of areas) zapRange(cpu, tlb, vma, vm_start(m, vma), vm_end(m, vma));
  for (const vma of areas) beforeTables(vma);
  const first = areas[0];
  const last = areas[areas.length - 1];
  if (first !== undefined && last !== undefined) free_pgd_range(cpu, mm, vm_start(m, first), vm_end(m, last), floor, ceiling, tlb.tables);
  tlb_finish_mmu(cpu, tlb);
}

/**
 * Write-protects the pages of a range on behalf of a userfaultfd handler, or ends that. Entries in swap keep the mark; where a page is not there, a
 * marker can stand for it.
 *
 *   protecting CPU (mmap read)                writing CPU               faulting CPU
 *   1 takes the right to write from the entry
 *                                             2 still writes through
 *                                               its old translation
 *                                                                       3 copies the page (wp_page_copy)
 *   4 flushes                                                             <- decides: sees that a flush is pending, flushes before it copies
 *
 * @kernel mm/userfaultfd.c uffd_wp_range(); mm/mprotect.c change_pte_range() with MM_CP_UFFD_WP, MM_CP_UFFD_WP_RESOLVE
 * @fidelity reduced: no huge pages
 * Next: syscalls/change_protection.ts
 */
import type { Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { can_change_pte_writable } from '../mm/can_change_pte_writable.ts';
import { type MmuGather, tlb_finish_mmu, tlb_gather_mmu, tlb_remove_tlb_entry } from '../mm/mmu_gather.ts';
import { findPteTable, PMD_PAGES, pte_alloc, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { pte_clear_uffd_wp, pte_mkuffd_wp, pte_mkwrite, pte_none, pte_present, pte_uffd_wp, pte_write } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import {
  is_pte_marker,
  make_pte_marker,
  PTE_MARKER_UFFD_WP,
  pte_marker_get,
  pte_swp_clear_uffd_wp,
  pte_swp_mkuffd_wp,
  pte_swp_uffd_wp,
  pte_to_swp_entry,
} from '../mm/swap_entry.ts';
import { userfaultfd_wp_use_markers } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_WRITE } from '../mm/vm_flags.ts';
import { change_nonpresent_pte } from './change_nonpresent_pte.ts';

/**
 * Protects (`protect`) or releases the pages [start, end) of one area, which is registered for write protection.
 * @locks in: mmap_lock, either way. Takes page-table locks; does not sleep. @returns 0, or ENOMEM with a part of the range done
 */
export function uffd_wp_range(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn, protect: boolean): number {
  const mm = vm_mm(cpu.memory, vma);
  const markers = protect && userfaultfd_wp_use_markers(cpu.memory, vma);
  const tlb = tlb_gather_mmu(cpu, mm);
  let error = 0;
  for (let vpn = start as number; vpn < end && error === 0; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = markers ? pte_alloc(cpu, mm, vpn as Vpn) : findPteTable(cpu, mm, vpn as Vpn);
    if (table !== NO_TABLE) changeTable(cpu, tlb, vma, table, vpn, tableEnd, protect, markers);
    else if (markers) error = ENOMEM;
    vpn = tableEnd;
  }
  tlb_finish_mmu(cpu, tlb);
  return error;
}

function changeTable(
  cpu: Cpu,
  tlb: MmuGather,
  vma: VmaId,
  table: TableId,
  start: number,
  end: number,
  protect: boolean,
  markers: boolean,
): void {
  pte_offset_map_lock(cpu, table, start as Vpn);
  for (let vpn = start; vpn < end; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    const pte = ptep_get(cpu, entry);
    if (pte_none(pte)) {
      if (markers) set_pte_at(cpu, entry, make_pte_marker(PTE_MARKER_UFFD_WP));
    } else if (pte_present(pte)) changePresent(cpu, tlb, vma, vpn as Vpn, entry, protect);
    else changeSwap(cpu, entry, pte, protect);
  }
  pte_unmap_unlock(cpu, table);
}

/** Cleared and written again, so that a dirty bit which the hardware sets meanwhile is not lost. @locks in: the page-table lock */
function changePresent(cpu: Cpu, tlb: MmuGather, vma: VmaId, vpn: Vpn, entry: Word, protect: boolean): void {
  if (pte_uffd_wp(ptep_get(cpu, entry)) === protect) return;
  const old = ptep_get_and_clear(cpu, entry);
  const flags = vm_flags(cpu.memory, vma);
  let pte: Pte = protect ? pte_mkuffd_wp(old) : pte_clear_uffd_wp(old);
  // At once, so that the write which asked needs no second fault to find out that the page is its own.
  if (!protect && (flags & VM_WRITE) !== 0 && !pte_write(pte) && can_change_pte_writable(cpu, vma, pte)) pte = pte_mkwrite(pte);
  set_pte_at(cpu, entry, pte);
  tlb_remove_tlb_entry(tlb, vpn);
}

/** @locks in: the page-table lock */
function changeSwap(cpu: Cpu, entry: Word, pte: Pte, protect: boolean): void {
  if (is_pte_marker(pte)) {
    // Other markers stay: an access fails anyhow.
    const ours = pte_marker_get(pte_to_swp_entry(pte)) === PTE_MARKER_UFFD_WP;
    if (ours && !protect) ptep_get_and_clear(cpu, entry);
    return;
  }
  // What would come back writable must not.
  if (protect) change_nonpresent_pte(cpu, entry, pte);
  const now = ptep_get(cpu, entry);
  if (pte_swp_uffd_wp(now) !== protect) set_pte_at(cpu, entry, protect ? pte_swp_mkuffd_wp(now) : pte_swp_clear_uffd_wp(now));
}

/**
 * Changes the protection of the pages that are mapped in a range.
 * @kernel mm/mprotect.c change_protection(), can_change_pte_writable()
 * @fidelity reduced: no soft-dirty, no NUMA hints
 * Next: syscalls/mprotect.ts
 */
import type { Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_test_anon, folioTest, PG_anon_exclusive } from '../mm/folio.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { pte_dirty, pte_mkwrite, pte_modify, pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { userfaultfd_pte_wp } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { vm_page_prot } from '../mm/vma_wants_writenotify.ts';

/** Gives the mapped pages of [start, end) the protection of the area's flags. @locks in: mmap write and VMA write. May spin for page-table locks */
export function change_protection(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  const mm = vm_mm(cpu.memory, vma);
  let changed = 0;
  for (let vpn = start as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, mm, vpn as Vpn);
    if (table !== NO_TABLE) changed += changeTable(cpu, vma, table, vpn, tableEnd);
    vpn = tableEnd;
  }
  if (changed > 0) flush_tlb_range(cpu, mm, start, end);
}

function changeTable(cpu: Cpu, vma: VmaId, table: TableId, start: number, end: number): number {
  let changed = 0;
  pte_offset_map_lock(cpu, table, start as Vpn);
  for (let vpn = start; vpn < end; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    if (pte_present(ptep_get(cpu, entry))) {
      changePte(cpu, vma, entry);
      changed++;
    }
  }
  pte_unmap_unlock(cpu, table);
  return changed;
}

/** Cleared and written again, so that a dirty bit which the hardware sets meanwhile is not lost. */
function changePte(cpu: Cpu, vma: VmaId, entry: Word): void {
  const old = ptep_get_and_clear(cpu, entry);
  const flags = vm_flags(cpu.memory, vma);
  let pte = pte_modify(old, vm_page_prot(cpu.memory, vma));
  if ((flags & VM_WRITE) !== 0 && can_change_pte_writable(cpu, vma, old)) pte = pte_mkwrite(pte);
  set_pte_at(cpu, entry, pte);
}

/**
 * May the entry be writable at once, without a fault to find out whether the page is shared with relatives, or to tell the file
 * or a userfaultfd handler? A dirty entry of a
 * shared page has had that fault, and write-back would have made it clean.
 */
export function can_change_pte_writable(cpu: Cpu, vma: VmaId, pte: Pte): boolean {
  if (pte_special(pte) || userfaultfd_pte_wp(cpu.memory, vma, pte)) return false;
  if ((vm_flags(cpu.memory, vma) & VM_SHARED) !== 0) return pte_dirty(pte);
  const pfn = pte_pfn(pte);
  return folio_test_anon(cpu, pfn) && folioTest(cpu, pfn, PG_anon_exclusive);
}

/**
 * Changes the protection of the pages that are mapped in a range.
 * @kernel mm/mprotect.c change_protection()
 * @fidelity reduced: no soft-dirty
 * Next: syscalls/mprotect.ts
 */
import type { TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { can_change_pte_writable } from '../mm/can_change_pte_writable.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from '../mm/page_table.ts';
import { pte_mkwrite, pte_modify, pte_none, pte_present } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_WRITE } from '../mm/vm_flags.ts';
import { vma_assert_write_locked } from '../mm/vma_lock.ts';
import { vm_page_prot } from '../mm/vma_wants_writenotify.ts';
import { change_nonpresent_pte } from './change_nonpresent_pte.ts';

/** Gives the mapped pages of [start, end) the protection of the area's flags. @locks in: mmap write and VMA write. May spin for page-table locks */
export function change_protection(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  vma_assert_write_locked(cpu, vma);
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
    const pte = ptep_get(cpu, entry);
    if (pte_none(pte)) continue;
    if (pte_present(pte)) {
      changePte(cpu, vma, entry);
      changed++;
    } else change_nonpresent_pte(cpu, entry, pte);
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

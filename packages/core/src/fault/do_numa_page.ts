/**
 * A NUMA hint: the entry was made unreachable to learn who uses the page. The fault restores it, and may move the page nearer first, with the
 * fault lock held: the move waits for nothing.
 * @kernel mm/memory.c do_numa_page(), numa_rebuild_single_mapping(); mm/migrate.c migrate_misplaced_folio()
 * @fidelity reduced: one node; whether pages lie on the wrong one is a setting of the machine (numaMisplaced), and a move is to another frame
 * Next: syscalls/change_prot_numa.ts
 */
import type { Pfn, Pte, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { can_change_pte_writable } from '../mm/can_change_pte_writable.ts';
import { folio_get } from '../mm/folio.ts';
import { migrateFolio } from '../mm/migrate.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { ptep_get_and_clear, set_pte_at } from '../mm/page_table.ts';
import { PTE_PRESENT, PTE_YOUNG, pte_mkwrite, pte_modify, pte_pfn, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flushLocalPage } from '../mm/tlb.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_WRITE } from '../mm/vm_flags.ts';
import { numaMisplaced } from '../mm/vm_sysctl.ts';
import { MUTANT_B28_NUMA } from '../mutants/ids.ts';
import { count_vm_event, NUMA_HINT_FAULTS, NUMA_PAGES_MIGRATED } from '../trace/counters.ts';
import { raceLost } from './finish_fault.ts';
import { liveVma, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in and out: the fault lock; orig_pte is present without access, in an area that allows access. @returns 0. Row 43 */
export function do_numa_page(cpu: Cpu, vmf: VmFault): VmFaultBits {
  let entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte) && cpu.mutant !== MUTANT_B28_NUMA) return raceLost(cpu, vmf, entry); // R13
  count_vm_event(cpu, NUMA_HINT_FAULTS);
  if (numaMisplaced(cpu.memory) && !pte_special(vmf.orig_pte)) {
    const pfn = pte_pfn(vmf.orig_pte);
    folio_get(cpu, pfn);
    pte_unmap_unlock(cpu, vmf.table);
    if (migrate_misplaced_folio(cpu, pfn)) return 0; // The move has put the entry right.
    entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
    if (!pte_same(cpu, entry, vmf.orig_pte)) return raceLost(cpu, vmf, entry); // R13
  }
  numa_rebuild_single_mapping(cpu, vmf, entry);
  pte_unmap_unlock(cpu, vmf.table);
  flushLocalPage(cpu, vmf.vpn);
  return 0;
}

/** @param pfn with a reference, which is dropped. @returns whether the page is in another frame now */
function migrate_misplaced_folio(cpu: Cpu, pfn: Pfn): boolean {
  const moved = migrateFolio(cpu, pfn, 'async') === 0;
  folio_put(cpu, pfn);
  if (moved) count_vm_event(cpu, NUMA_PAGES_MIGRATED);
  return moved;
}

/** The entry allows again what its area does. @locks in: the page-table lock */
function numa_rebuild_single_mapping(cpu: Cpu, vmf: VmFault, entry: Word): void {
  const vma = liveVma(vmf);
  const old = ptep_get_and_clear(cpu, entry);
  let pte = (pte_modify(old, PTE_PRESENT) | PTE_YOUNG) as Pte;
  if ((vm_flags(cpu.memory, vma) & VM_WRITE) !== 0 && can_change_pte_writable(cpu, vma, pte)) pte = pte_mkwrite(pte);
  set_pte_at(cpu, entry, pte);
}

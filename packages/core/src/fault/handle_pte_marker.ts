/**
 * A fault on a mark, where there is no page: a guard page, memory that was declared broken, or a page that userfaultfd wants to know about.
 * @kernel mm/memory.c handle_pte_marker(), pte_marker_clear(), pte_marker_handle_uffd_wp()
 * @fidelity faithful
 * Next: syscalls/madvise_guard.ts
 */
import type { Cpu } from '../cpu.ts';
import { ptep_get_and_clear } from '../mm/page_table.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { PTE_MARKER_GUARD, PTE_MARKER_POISONED, pte_marker_get, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vma_is_anonymous } from '../mm/vm_area_struct.ts';
import { count_vm_event, GUARD_FAULTS, POISON_FAULTS } from '../trace/counters.ts';
import { do_anonymous_page } from './do_anonymous_page.ts';
import { do_fault } from './do_fault.ts';
import { liveVma, VM_FAULT_HWPOISON, VM_FAULT_SIGSEGV, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in and out: the fault lock; orig_pte is a marker */
export function handle_pte_marker(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const marker = pte_marker_get(pte_to_swp_entry(vmf.orig_pte));
  if ((marker & PTE_MARKER_POISONED) !== 0) {
    count_vm_event(cpu, POISON_FAULTS);
    return VM_FAULT_HWPOISON;
  }
  if ((marker & PTE_MARKER_GUARD) !== 0) {
    count_vm_event(cpu, GUARD_FAULTS);
    return VM_FAULT_SIGSEGV;
  }
  // A leftover of an area that is registered no more means nothing.
  if (!userfaultfd_wp(cpu.memory, liveVma(vmf))) return pte_marker_clear(cpu, vmf);
  return vma_is_anonymous(cpu.memory, liveVma(vmf)) ? do_anonymous_page(cpu, vmf) : do_fault(cpu, vmf);
}

/** The mark has lost its meaning: the access will find an empty entry. */
function pte_marker_clear(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (pte_same(cpu, entry, vmf.orig_pte)) ptep_get_and_clear(cpu, entry);
  pte_unmap_unlock(cpu, vmf.table);
  return 0;
}

/**
 * Chooses what to do by what the page-table entry says. The file to read first in this folder.
 *
 *   entry                     area          access     goes to
 *   none                      anonymous     any        do_anonymous_page
 *   none                      file          any        do_fault
 *   not empty, not present    any           any        do_swap_page: in swap, being moved, in a device, broken, a mark
 *   present without access    any           any        do_numa_page, if the area allows access
 *   present, not writable     any           write      do_wp_page
 *   present                   any           allowed    mark young or dirty: another fault was faster
 *
 * @kernel mm/memory.c handle_pte_fault()
 * @fidelity reduced: no huge pages
 * Next: fault/do_anonymous_page.ts
 */
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { findPteTable, ptep_get, ptep_set_access_flags, pteWord } from '../mm/page_table.ts';
import { PTE_DIRTY, PTE_YOUNG, pte_none, pte_present, pte_protnone, pte_write } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flushLocalPage } from '../mm/tlb.ts';
import { vm_flags, vm_mm, vma_is_anonymous } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS } from '../mm/vm_flags.ts';
import { do_anonymous_page } from './do_anonymous_page.ts';
import { do_fault } from './do_fault.ts';
import { do_numa_page } from './do_numa_page.ts';
import { do_swap_page } from './do_swap_page.ts';
import { do_wp_page } from './do_wp_page.ts';
import { raceLost } from './finish_fault.ts';
import { FAULT_FLAG_UNSHARE, FAULT_FLAG_WRITE, liveVma, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function handle_pte_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  vmf.table = findPteTable(cpu, vm_mm(m, vma), vmf.vpn);
  if (vmf.table !== NO_TABLE) vmf.orig_pte = ptep_get(cpu, pteWord(m, vmf.table, vmf.vpn));
  if (pte_none(vmf.orig_pte)) return vma_is_anonymous(m, vma) ? do_anonymous_page(cpu, vmf) : do_fault(cpu, vmf);
  if (!pte_present(vmf.orig_pte)) return do_swap_page(cpu, vmf);
  if (pte_protnone(vmf.orig_pte) && (vm_flags(m, vma) & VM_ACCESS_FLAGS) !== 0) return do_numa_page(cpu, vmf);
  return handlePresent(cpu, vmf);
}

function handlePresent(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte)) return raceLost(cpu, vmf, entry); // R13
  const writes = (vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0;
  if (writes && !pte_write(vmf.orig_pte)) return do_wp_page(cpu, vmf, entry);
  // Somebody else made the entry good meanwhile, or this CPU used an old translation. The bits as the hardware would set them.
  const bits = (vmf.flags & FAULT_FLAG_WRITE) !== 0 ? PTE_YOUNG | PTE_DIRTY : PTE_YOUNG;
  ptep_set_access_flags(cpu, entry, bits);
  pte_unmap_unlock(cpu, vmf.table);
  flushLocalPage(cpu, vmf.vpn);
  return 0;
}

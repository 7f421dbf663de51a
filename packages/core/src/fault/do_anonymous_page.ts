/**
 * First touch of an anonymous page: a read maps the shared zero page, a write gets a frame of its own.
 *
 *   faulting CPU A                            faulting CPU B, same page
 *   1 entry is empty                          1 entry is empty
 *   2 allocates a frame                       2 allocates a frame
 *   3 page-table lock: still empty, maps
 *                                             4 page-table lock: not empty  <- decides: gives its frame back
 *
 * @kernel mm/memory.c do_anonymous_page()
 * @fidelity reduced: no large folios
 * Next: fault/do_wp_page.ts
 */

import type { Cpu } from '../cpu.ts';
import { allocOrReclaim } from '../mm/alloc_or_reclaim.ts';
import { NO_FOLIO, writeStamp, ZERO_PFN } from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { isUnstable } from '../mm/mm_struct.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { set_pte_at } from '../mm/page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_PRESENT, PTE_RW, PTE_SPECIAL, PTE_YOUNG } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_add_new_anon_rmap } from '../mm/rmap.ts';
import { protectedLike, userfaultfd_missing } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_SHARED, VM_UFFD_MISSING, VM_WRITE } from '../mm/vm_flags.ts';
import { MUTANT_B16, MUTANT_B28_ANON } from '../mutants/ids.ts';
import { ANON_NEW_PAGE, ANON_ZERO_PAGE, count_vm_event } from '../trace/counters.ts';
import { TRACE_SET_PTE } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { vmf_anon_prepare } from './fault_lock.ts';
import { ensureTable, raceLost } from './finish_fault.ts';
import { handle_userfault } from './handle_userfault.ts';
import { FAULT_FLAG_WRITE, liveVma, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault(). Rows 4 to 8 of the table of results, 36 and 37 in an area registered for missing pages */
export function do_anonymous_page(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if ((vm_flags(m, vma) & VM_SHARED) !== 0) return VM_FAULT_SIGBUS;
  if (!ensureTable(cpu, vmf)) return VM_FAULT_OOM;
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0) return mapZeroPage(cpu, vmf);

  const prepared = vmf_anon_prepare(cpu, vmf); // R11
  if (prepared !== 0 && cpu.mutant !== MUTANT_B16) return prepared;
  const pfn = allocOrReclaim(cpu, vm_mm(m, vma));
  if (pfn === NO_FOLIO) return VM_FAULT_OOM;
  writeStamp(cpu, pfn, 0);
  const writable = (vm_flags(m, vma) & VM_WRITE) !== 0;
  const pte = protectedLike(vmf.orig_pte, mk_pte(pfn, PTE_PRESENT | PTE_YOUNG | (writable ? PTE_RW | PTE_DIRTY : 0)));
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte) && cpu.mutant !== MUTANT_B28_ANON) {
    raceLost(cpu, vmf, entry); // R13
    folio_put(cpu, pfn);
    return 0;
  }
  if (isUnstable(cpu, vm_mm(m, vma))) {
    pte_unmap_unlock(cpu, vmf.table);
    folio_put(cpu, pfn);
    return VM_FAULT_SIGBUS; // R18
  }
  if (userfaultfd_missing(m, vma)) {
    pte_unmap_unlock(cpu, vmf.table);
    folio_put(cpu, pfn);
    return handle_userfault(cpu, vmf, VM_UFFD_MISSING);
  }
  folio_add_new_anon_rmap(cpu, pfn, vma, vmf.vpn);
  folio_add_lru(cpu, pfn);
  set_pte_at(cpu, entry, pte);
  pte_unmap_unlock(cpu, vmf.table);
  count_vm_event(cpu, ANON_NEW_PAGE);
  trace(cpu, TRACE_SET_PTE, vmf.vpn, pte);
  return 0;
}

function mapZeroPage(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const pte = protectedLike(vmf.orig_pte, mk_pte(ZERO_PFN, PTE_PRESENT | PTE_YOUNG | PTE_SPECIAL));
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte)) return raceLost(cpu, vmf, entry); // R13
  if (isUnstable(cpu, vm_mm(cpu.memory, liveVma(vmf)))) {
    pte_unmap_unlock(cpu, vmf.table);
    return VM_FAULT_SIGBUS; // R18
  }
  if (userfaultfd_missing(cpu.memory, liveVma(vmf))) {
    pte_unmap_unlock(cpu, vmf.table);
    return handle_userfault(cpu, vmf, VM_UFFD_MISSING);
  }
  set_pte_at(cpu, entry, pte);
  pte_unmap_unlock(cpu, vmf.table);
  count_vm_event(cpu, ANON_ZERO_PAGE);
  trace(cpu, TRACE_SET_PTE, vmf.vpn, pte);
  return 0;
}

/**
 * Copy on write: a private copy replaces the page in this one entry.
 *
 *   copying CPU                               another CPU of the same address space
 *   1 copies the old page
 *   2 page-table lock, entry unchanged
 *   3 clears the entry, flushes               reads or writes through its old translation until the flush
 *   4 installs the copy
 *   5 drops the old page's count              <- decides: nobody uses it through this entry any more
 *
 * @kernel mm/memory.c wp_page_copy()
 * @fidelity reduced: one page
 * Next: fault/do_fault.ts
 */

import type { Pfn, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { allocOrReclaim } from '../mm/alloc_or_reclaim.ts';
import { NO_FOLIO, readStamp, writeStamp } from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { isUnstable } from '../mm/mm_struct.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { ptep_get_and_clear, set_pte_at } from '../mm/page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_PRESENT, PTE_RW, PTE_YOUNG, pte_pfn, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_add_new_anon_rmap, folio_remove_rmap_pte } from '../mm/rmap.ts';
import { free_swap_cache } from '../mm/swap_state.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_WRITE } from '../mm/vm_flags.ts';
import { MUTANT_B28_WP } from '../mutants/ids.ts';
import { count_vm_event, WP_COPY } from '../trace/counters.ts';
import { TRACE_SET_PTE } from '../trace/events.ts';
import { at, BEFORE_WP_INSTALL } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { vmf_anon_prepare } from './fault_lock.ts';
import { raceLost } from './finish_fault.ts';
import { FAULT_FLAG_UNSHARE, liveVma, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock; a reference on the old page unless it is the zero page. out: as handle_mm_fault(), the reference dropped */
export function wp_page_copy(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const old: Pfn = pte_special(vmf.orig_pte) ? NO_FOLIO : pte_pfn(vmf.orig_pte);
  const prepared = vmf_anon_prepare(cpu, vmf); // R11
  if (prepared !== 0) return done(cpu, old, prepared);
  const copy = allocOrReclaim(cpu, vm_mm(cpu.memory, liveVma(vmf)));
  if (copy === NO_FOLIO) return done(cpu, old, VM_FAULT_OOM);
  writeStamp(cpu, copy, old === NO_FOLIO ? 0 : readStamp(cpu, old));
  if (isUnstable(cpu, vm_mm(cpu.memory, liveVma(vmf)))) {
    folio_put(cpu, copy);
    return done(cpu, old, VM_FAULT_SIGBUS); // R18
  }
  return done(cpu, old, installCopy(cpu, vmf, old, copy));
}

function done(cpu: Cpu, old: Pfn, result: VmFaultBits): VmFaultBits {
  if (old !== NO_FOLIO) folio_put(cpu, old);
  return result;
}

function installCopy(cpu: Cpu, vmf: VmFault, old: Pfn, copy: Pfn): VmFaultBits {
  const vma = liveVma(vmf);
  at(cpu, BEFORE_WP_INSTALL);
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte) && cpu.mutant !== MUTANT_B28_WP) {
    raceLost(cpu, vmf, entry); // R13
    folio_put(cpu, copy);
    return 0;
  }
  ptep_get_and_clear(cpu, entry);
  flush_tlb_range(cpu, vm_mm(cpu.memory, vma), vmf.vpn, (vmf.vpn + 1) as Vpn);
  folio_add_new_anon_rmap(cpu, copy, vma, vmf.vpn);
  folio_add_lru(cpu, copy);
  const unshare = (vmf.flags & FAULT_FLAG_UNSHARE) !== 0;
  const writable = !unshare && (vm_flags(cpu.memory, vma) & VM_WRITE) !== 0;
  const pte = mk_pte(copy, PTE_PRESENT | PTE_YOUNG | (unshare ? 0 : PTE_DIRTY) | (writable ? PTE_RW : 0));
  set_pte_at(cpu, entry, pte);
  // Only now: before the flush another CPU could still use the old page through this entry, and its count says so.
  if (old !== NO_FOLIO) folio_remove_rmap_pte(cpu, old, vma);
  pte_unmap_unlock(cpu, vmf.table);
  trace(cpu, TRACE_SET_PTE, vmf.vpn, pte);
  count_vm_event(cpu, WP_COPY);
  if (old === NO_FOLIO) return 0;
  free_swap_cache(cpu, old);
  folio_put(cpu, old);
  return 0;
}

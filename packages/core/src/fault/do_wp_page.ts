/**
 * A write to a page that is mapped read-only: use it in place if nobody else can see it, copy it otherwise.
 * @kernel mm/memory.c do_wp_page(), wp_page_reuse(), wp_can_reuse_anon_folio(), wp_page_shared()
 * @fidelity reduced: no KSM, no swap cache; shared file pages are made writable without page_mkwrite
 * Next: fault/wp_page_copy.ts
 */
import type { Pfn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, folio_ref_count, folio_test_anon, folioSet, folioTest, PG_anon_exclusive, PG_dirty } from '../mm/folio.ts';
import { ptep_set_access_flags } from '../mm/page_table.ts';
import { PTE_DIRTY, PTE_RW, PTE_YOUNG, pte_pfn, pte_special } from '../mm/pte.ts';
import { pte_unmap_unlock } from '../mm/pte_lock.ts';
import { flushLocalPage } from '../mm/tlb.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_MAYSHARE, VM_SHARED } from '../mm/vm_flags.ts';
import { count_vm_event, PGREUSE, WP_REUSE } from '../trace/counters.ts';
import { FAULT_FLAG_UNSHARE, liveVma, type VmFault, type VmFaultBits } from './vm_fault.ts';
import { wp_page_copy } from './wp_page_copy.ts';

/** @locks in: the fault lock and the page-table lock, the entry is orig_pte. out: as handle_mm_fault(), page-table lock released. Row 28 */
export function do_wp_page(cpu: Cpu, vmf: VmFault, entry: Word): VmFaultBits {
  const vma = liveVma(vmf);
  const unshare = (vmf.flags & FAULT_FLAG_UNSHARE) !== 0;
  const pfn = pte_pfn(vmf.orig_pte);
  if ((vm_flags(cpu.memory, vma) & (VM_SHARED | VM_MAYSHARE)) !== 0) return wp_page_shared(cpu, vmf, entry, pfn);
  if (pte_special(vmf.orig_pte)) {
    // The zero page may be read by anybody for ever, so unsharing has nothing to do.
    if (unshare) {
      pte_unmap_unlock(cpu, vmf.table);
      return 0;
    }
    pte_unmap_unlock(cpu, vmf.table);
    return wp_page_copy(cpu, vmf);
  }
  if (folio_test_anon(cpu, pfn) && (folioTest(cpu, pfn, PG_anon_exclusive) || wp_can_reuse_anon_folio(cpu, pfn))) {
    if (unshare) pte_unmap_unlock(cpu, vmf.table);
    else wp_page_reuse(cpu, vmf, entry);
    return 0;
  }
  folio_get(cpu, pfn); // The entry may go once its lock is dropped; the page must stay for the copy.
  pte_unmap_unlock(cpu, vmf.table);
  return wp_page_copy(cpu, vmf);
}

/**
 * Does only this entry refer to the page? Then it becomes exclusive. The page-table lock keeps our own reference; a reference that
 * another CPU takes meanwhile (GUP under the same lock, fork under the VMA lock) is impossible.
 */
function wp_can_reuse_anon_folio(cpu: Cpu, pfn: Pfn): boolean {
  if (folio_ref_count(cpu, pfn) !== 1) return false; // Pairs with: folio_put() of the last other owner.
  folioSet(cpu, pfn, PG_anon_exclusive);
  return true;
}

/** Makes the entry writable where it is. @locks in: the page-table lock. out: released */
function wp_page_reuse(cpu: Cpu, vmf: VmFault, entry: Word): void {
  ptep_set_access_flags(cpu, entry, PTE_RW | PTE_DIRTY | PTE_YOUNG);
  pte_unmap_unlock(cpu, vmf.table);
  flushLocalPage(cpu, vmf.vpn);
  count_vm_event(cpu, WP_REUSE);
  count_vm_event(cpu, PGREUSE);
}

function wp_page_shared(cpu: Cpu, vmf: VmFault, entry: Word, pfn: Pfn): VmFaultBits {
  folioSet(cpu, pfn, PG_dirty);
  wp_page_reuse(cpu, vmf, entry);
  return 0;
}

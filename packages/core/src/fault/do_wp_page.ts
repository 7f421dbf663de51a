/**
 * A write to a page that is mapped read-only: use it in place if nobody else can see it, copy it otherwise.
 * @kernel mm/memory.c do_wp_page(), wp_page_reuse(), wp_can_reuse_anon_folio(), wp_page_shared(), wp_pfn_shared(), finish_mkwrite_fault()
 * @fidelity reduced: no KSM
 * Next: fault/wp_page_copy.ts
 */

import type { Pfn, Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { mapping_can_writeback } from '../mm/address_space.ts';
import { folio_get, folio_ref_count, folio_test_anon, folioSet, folioTest, PG_anon_exclusive, PG_lru, PG_swapcache } from '../mm/folio.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { folio_lock, folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { mm_tlb_flush_pending } from '../mm/mm_struct.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { ptep_set_access_flags } from '../mm/page_table.ts';
import { PTE_DIRTY, PTE_RW, PTE_YOUNG, pte_pfn, pte_special, pte_uffd_wp } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_free_swap } from '../mm/swap_state.ts';
import { flush_tlb_range, flushLocalPage } from '../mm/tlb.ts';
import { userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_file, vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_MAYSHARE, VM_SHARED, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { count_vm_event, PGREUSE, WP_REUSE } from '../trace/counters.ts';
import { do_page_mkwrite, mkwriteFailed } from './do_page_mkwrite.ts';
import { fault_dirty_shared_page } from './fault_dirty_shared_page.ts';
import { raceLost } from './finish_fault.ts';
import { handle_userfault } from './handle_userfault.ts';
import { FAULT_FLAG_UNSHARE, liveVma, VM_FAULT_NOPAGE, type VmFault, type VmFaultBits } from './vm_fault.ts';
import { wp_page_copy } from './wp_page_copy.ts';

/** @locks in: the fault lock and the page-table lock, the entry is orig_pte. out: as handle_mm_fault(), page-table lock released. Rows 28 and 29 */
export function do_wp_page(cpu: Cpu, vmf: VmFault, entry: Word): VmFaultBits {
  const vma = liveVma(vmf);
  const unshare = (vmf.flags & FAULT_FLAG_UNSHARE) !== 0;
  if (!unshare && userfaultfd_wp(cpu.memory, vma)) {
    if (pte_uffd_wp(vmf.orig_pte)) {
      pte_unmap_unlock(cpu, vmf.table);
      return handle_userfault(cpu, vmf, VM_UFFD_WP);
    }
    // A handler's write protection flushes late: no CPU may write through an old translation while the page is copied (uffd_wp_range draws it).
    if (mm_tlb_flush_pending(cpu, vm_mm(cpu.memory, vma))) flush_tlb_range(cpu, vm_mm(cpu.memory, vma), vmf.vpn, (vmf.vpn + 1) as Vpn);
  }
  const pfn = pte_pfn(vmf.orig_pte);
  if ((vm_flags(cpu.memory, vma) & (VM_SHARED | VM_MAYSHARE)) !== 0) {
    return pte_special(vmf.orig_pte) ? wp_pfn_shared(cpu, vmf, entry) : wp_page_shared(cpu, vmf, entry, pfn);
  }
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
 * Does only this entry refer to the page? Then it becomes exclusive. The swap cache may have it as well: if no entry leads to the slot, slot and
 * cache are given up, because the write makes the slot's contents old. The page-table lock keeps our own reference; a reference that another CPU
 * takes meanwhile (GUP under the same lock, fork under the VMA lock) is impossible; one that finds the page in the swap cache waits for the folio
 * lock, and then finds that it is not there any more. @locks in: the page-table lock
 */
function wp_can_reuse_anon_folio(cpu: Cpu, pfn: Pfn): boolean {
  if (!folioTest(cpu, pfn, PG_lru)) lru_add_drain(cpu); // The batch has a reference to a young page.
  if (folio_ref_count(cpu, pfn) > (folioTest(cpu, pfn, PG_swapcache) ? 2 : 1)) return false; // Pairs with: folio_put() of the last other owner.
  if (!folio_trylock(cpu, pfn)) return false;
  folio_free_swap(cpu, pfn);
  const alone = folio_ref_count(cpu, pfn) === 1;
  if (alone) folioSet(cpu, pfn, PG_anon_exclusive);
  folio_unlock(cpu, pfn);
  return alone;
}

/** Makes the entry writable where it is. @locks in: the page-table lock. out: released */
function wp_page_reuse(cpu: Cpu, vmf: VmFault, entry: Word): void {
  ptep_set_access_flags(cpu, entry, PTE_RW | PTE_DIRTY | PTE_YOUNG);
  pte_unmap_unlock(cpu, vmf.table);
  flushLocalPage(cpu, vmf.vpn);
  count_vm_event(cpu, WP_REUSE);
  count_vm_event(cpu, PGREUSE);
}

/** A shared mapping of something that has no folio: nobody to ask. @kernel wp_pfn_shared() */
function wp_pfn_shared(cpu: Cpu, vmf: VmFault, entry: Word): VmFaultBits {
  wp_page_reuse(cpu, vmf, entry);
  return 0;
}

/**
 * A page of a shared mapping becomes writable: the file is asked first, if it wants to be. @locks in: the page-table lock. out: released. Row 27
 * @kernel wp_page_shared()
 */
function wp_page_shared(cpu: Cpu, vmf: VmFault, entry: Word, pfn: Pfn): VmFaultBits {
  folio_get(cpu, pfn); // The entry may go once its lock is dropped.
  if (mapping_can_writeback(cpu.memory, vm_file(cpu.memory, liveVma(vmf)))) {
    pte_unmap_unlock(cpu, vmf.table);
    const asked = do_page_mkwrite(cpu, vmf, pfn);
    if (mkwriteFailed(asked)) return putFolio(cpu, pfn, asked);
    const finished = finish_mkwrite_fault(cpu, vmf);
    if (finished !== 0) {
      folio_unlock(cpu, pfn);
      return putFolio(cpu, pfn, finished);
    }
  } else {
    wp_page_reuse(cpu, vmf, entry);
    folio_lock(cpu, pfn);
  }
  return putFolio(cpu, pfn, fault_dirty_shared_page(cpu, vmf, pfn));
}

const putFolio = (cpu: Cpu, pfn: Pfn, result: VmFaultBits): VmFaultBits => {
  folio_put(cpu, pfn);
  return result;
};

/** The file has agreed: is the entry still the same? @locks in: the folio lock. @returns 0, or NOPAGE when it is not @kernel finish_mkwrite_fault() */
function finish_mkwrite_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte)) {
    raceLost(cpu, vmf, entry); // R13
    return VM_FAULT_NOPAGE;
  }
  wp_page_reuse(cpu, vmf, entry);
  return 0;
}

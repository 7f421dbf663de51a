/**
 * Installing a folio's entry, or losing the race gracefully.
 * @kernel mm/memory.c finish_fault(), set_pte_range()
 * @fidelity reduced: one page; the empty table is made before, not taken from a reserve
 * Next: fault/do_fault.ts
 */

import { invariant } from '../base/assert.ts';
import type { Pfn, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folioTest, PG_uptodate } from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { isUnstable } from '../mm/mm_struct.ts';
import { pte_alloc, ptep_get, set_pte_at } from '../mm/page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_RW, PTE_YOUNG } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_add_new_anon_rmap, folio_add_rmap_pte } from '../mm/rmap.ts';
import { flushLocalPage } from '../mm/tlb.ts';
import { protectedLike } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { vm_page_prot } from '../mm/vma_wants_writenotify.ts';
import { MUTANT_B28_FILE } from '../mutants/ids.ts';
import { count_vm_event, FILE_MAPPED, PTE_RACE_LOST } from '../trace/counters.ts';
import { TRACE_PTE_RACE_LOST, TRACE_SET_PTE } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { FAULT_FLAG_WRITE, liveVma, VM_FAULT_NOPAGE, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** The entry changed before its lock was taken: leave it, the access will be tried again. @locks in: the page-table lock. out: released */
export function raceLost(cpu: Cpu, vmf: VmFault, entry: Word): VmFaultBits {
  count_vm_event(cpu, PTE_RACE_LOST);
  trace(cpu, TRACE_PTE_RACE_LOST, vmf.vpn, vmf.orig_pte, ptep_get(cpu, entry));
  pte_unmap_unlock(cpu, vmf.table);
  flushLocalPage(cpu, vmf.vpn);
  return 0;
}

/** Makes sure that the page has a PTE table. @returns false when memory is out. @locks in: the fault lock */
export function ensureTable(cpu: Cpu, vmf: VmFault): boolean {
  if (vmf.table === NO_TABLE) vmf.table = pte_alloc(cpu, vm_mm(cpu.memory, liveVma(vmf)), vmf.vpn);
  return vmf.table !== NO_TABLE;
}

/**
 * Bits of a new entry: writable if this fault writes and the area allows it, or if the area's entries always are. x86 maps every page young, also
 * those that fault-around brings along.
 */
function newEntryBits(cpu: Cpu, vmf: VmFault): number {
  const vma = liveVma(vmf);
  const write = (vmf.flags & FAULT_FLAG_WRITE) !== 0;
  const writable = write && (vm_flags(cpu.memory, vma) & VM_WRITE) !== 0;
  return vm_page_prot(cpu.memory, vma) | PTE_YOUNG | (write ? PTE_DIRTY : 0) | (writable ? PTE_RW : 0);
}

/**
 * Maps the private copy (cow_page) or the file's folio (page), whose reference becomes the entry's.
 * @locks in: the fault lock; the folio lock of the file's folio. Takes the page-table lock; does not sleep.
 * @returns 0, NOPAGE when somebody else was faster, OOM or SIGBUS: then the reference stays the caller's
 */
export function finish_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const shared = (vm_flags(m, vma) & VM_SHARED) !== 0;
  const copied = (vmf.flags & FAULT_FLAG_WRITE) !== 0 && !shared;
  if (!shared && isUnstable(cpu, vm_mm(m, vma))) return VM_FAULT_SIGBUS; // R18
  if (!ensureTable(cpu, vmf)) return VM_FAULT_OOM;
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (!pte_same(cpu, entry, vmf.orig_pte) && cpu.mutant !== MUTANT_B28_FILE) {
    raceLost(cpu, vmf, entry);
    return VM_FAULT_NOPAGE; // R13
  }
  set_pte_range(cpu, vmf, entry, vmf.vpn, copied ? vmf.cow_page : vmf.page, copied);
  pte_unmap_unlock(cpu, vmf.table);
  return 0;
}

/**
 * Counts an entry of this fault's area, then writes it. The caller's reference becomes the entry's.
 * @param vpn the page that faulted, or one around it
 * @locks in: the page-table lock; the entry maps nothing
 */
export function set_pte_range(cpu: Cpu, vmf: VmFault, entry: Word, vpn: Vpn, pfn: Pfn, anonymous: boolean): void {
  const vma = liveVma(vmf);
  if (anonymous) {
    folio_add_new_anon_rmap(cpu, pfn, vma, vpn);
    folio_add_lru(cpu, pfn);
  } else {
    invariant(folioTest(cpu, pfn, PG_uptodate), 'I18', 'a page is mapped that is not up to date');
    folio_add_rmap_pte(cpu, pfn, vma);
    count_vm_event(cpu, FILE_MAPPED);
  }
  const pte = protectedLike(vmf.orig_pte, mk_pte(pfn, newEntryBits(cpu, vmf)));
  set_pte_at(cpu, entry, pte);
  trace(cpu, TRACE_SET_PTE, vpn, pte);
}

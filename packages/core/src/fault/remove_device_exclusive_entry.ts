/**
 * A CPU wants a page that a device has for itself: takes it back.
 *
 * The page may be locked, by the device's driver for one. The first attempt drops its lock to wait, under every policy the same way: the proposals
 * that wait with the lock held are about I/O.
 * @kernel mm/memory.c remove_device_exclusive_entry(); mm/filemap.c __folio_lock_or_retry()
 * @fidelity reduced: no notifier tells the device
 * Next: mm/device_exclusive.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { restore_exclusive_pte } from '../mm/device_exclusive.ts';
import { folio_try_get } from '../mm/folio.ts';
import {
  folio_lock,
  folio_lock_killable,
  folio_trylock,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
} from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { pfn_swap_entry_to_page, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { count_vm_event, DEVICE_EXCLUSIVE_FAULTS, FOLIO_LOCK_KILLED } from '../trace/counters.ts';
import { at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import { release_fault_lock } from './fault_lock.ts';
import {
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_RETRY_NOWAIT,
  fault_flag_allow_retry_first,
  liveVma,
  VM_FAULT_RETRY,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** @locks in: the fault lock; orig_pte is device-exclusive. out: as handle_mm_fault(). May sleep. Row 41 */
export function remove_device_exclusive_entry(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const pfn = pfn_swap_entry_to_page(pte_to_swp_entry(vmf.orig_pte));
  count_vm_event(cpu, DEVICE_EXCLUSIVE_FAULTS);
  // The entry keeps the page, but the entry may be gone by now; and the frame another page's, which the compare below finds out.
  if (!folio_try_get(cpu, pfn)) return 0;
  const retry = lockPlainly(cpu, vmf, pfn);
  if (retry !== 0) {
    folio_put(cpu, pfn);
    return retry;
  }
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  if (pte_same(cpu, entry, vmf.orig_pte)) restore_exclusive_pte(cpu, liveVma(vmf), entry, vmf.orig_pte); // R13
  pte_unmap_unlock(cpu, vmf.table);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  return 0;
}

/** As folio_lock_or_retry() was before any proposal. @returns 0 with the folio lock, or RETRY without it @kernel __folio_lock_or_retry() */
function lockPlainly(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  at(cpu, BEFORE_FOLIO_LOCK);
  if (folio_trylock(cpu, pfn)) return 0;
  const killable = (vmf.flags & FAULT_FLAG_KILLABLE) !== 0;
  if (fault_flag_allow_retry_first(vmf.flags)) {
    if ((vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return VM_FAULT_RETRY;
    release_fault_lock(cpu, vmf);
    if (killable) folio_wait_locked_killable(cpu, pfn);
    else folio_wait_locked(cpu, pfn);
    return VM_FAULT_RETRY;
  }
  if (!killable) {
    folio_lock(cpu, pfn);
    return 0;
  }
  if (folio_lock_killable(cpu, pfn) === 0) return 0;
  count_vm_event(cpu, FOLIO_LOCK_KILLED);
  release_fault_lock(cpu, vmf);
  return VM_FAULT_RETRY;
}

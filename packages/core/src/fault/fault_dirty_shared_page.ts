/**
 * After a shared page has become writable: it is dirty, and who dirties pages may have to wait until some are written. For that wait a first attempt
 * drops its lock and is finished nevertheless (COMPLETED): its entry is there. It drops the lock before it knows whether there is anything to wait
 * for, so also for files that are never written back. A later attempt keeps the lock, through the wait, too.
 * @kernel mm/memory.c fault_dirty_shared_page()
 * @fidelity faithful
 * Next: mm/balance_dirty_pages.ts
 */
import type { Pfn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { mapping_can_writeback } from '../mm/address_space.ts';
import { balance_dirty_pages_ratelimited } from '../mm/balance_dirty_pages.ts';
import { folioFile, folioMapping } from '../mm/folio.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { count_vm_event, DIRTY_DROPPED } from '../trace/counters.ts';
import { at, BEFORE_DIRTY_BALANCE } from '../trace/points.ts';
import { dropKeepingFile, mayDropFaultLock, otherRetry, putFpin } from './fault_lock.ts';
import { liveVma, VM_FAULT_COMPLETED, type VmFault, type VmFaultBits } from './vm_fault.ts';

/**
 * @param dirtiedBefore this fault has made the page dirty already
 * @locks in: the fault lock, the folio lock. out: the folio unlocked; the fault lock with 0, nothing with COMPLETED or RETRY. May sleep.
 * Rows 24, 25, 27
 */
export function fault_dirty_shared_page(cpu: Cpu, vmf: VmFault, pfn: Pfn, dirtiedBefore = false): VmFaultBits {
  const asked = mapping_can_writeback(cpu.memory, vm_file(cpu.memory, liveVma(vmf)));
  const dirtied = folio_mark_dirty(cpu, pfn) || dirtiedBefore;
  const file = folioFile(folioMapping(cpu, pfn)); // While the folio is locked: afterwards it may leave the file.
  folio_unlock(cpu, pfn);
  if ((!dirtied && !asked) || file === NO_MAPPING) return 0;
  const dropped = mayDropFaultLock(vmf);
  const result = !dropped ? 0 : cpu.policy.completed ? VM_FAULT_COMPLETED : otherRetry(cpu, vmf);
  if (dropped) {
    dropKeepingFile(cpu, vmf);
    count_vm_event(cpu, DIRTY_DROPPED);
  }
  at(cpu, BEFORE_DIRTY_BALANCE);
  balance_dirty_pages_ratelimited(cpu, file); // The file is kept by the area, or by the reference that the drop took.
  putFpin(cpu, vmf);
  return result;
}

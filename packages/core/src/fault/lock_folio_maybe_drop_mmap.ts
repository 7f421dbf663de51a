/**
 * Locking the page of a fault. If somebody else has it, the fault lock is dropped before the wait, if the attempt may; and if the wait is ended by
 * a fatal signal, in any case: the entry looks at signals only after a RETRY, and RETRY means that the lock is gone.
 * @kernel mm/filemap.c lock_folio_maybe_drop_mmap()
 * @fidelity faithful; the rule for pages that are up to date is a proposal
 * Next: mm/folio_lock.ts
 */
import type { Pfn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folioTest, PG_uptodate } from '../mm/folio.ts';
import { folio_lock, folio_lock_killable, folio_trylock } from '../mm/folio_lock.ts';
import { folio_test_writeback } from '../mm/folio_writeback.ts';
import { MUTANT_B46_NOWAIT } from '../mutants/ids.ts';
import { count_vm_event, FOLIO_LOCK_KILLED } from '../trace/counters.ts';
import { AFTER_FOLIO_LOCK, at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import { dropKeepingFile, maybe_unlock_mmap_for_io } from './fault_lock.ts';
import { FAULT_FLAG_KILLABLE, FAULT_FLAG_RETRY_NOWAIT, type VmFault } from './vm_fault.ts';

/**
 * @locks in: the fault lock, or nothing when vmf.fpin is set; a reference on the folio. out: true: adds the folio lock, and the fault lock is gone if
 *   vmf.fpin is set; false: no folio lock, and the fault lock is gone, except with RETRY_NOWAIT. May sleep
 */
export function lock_folio_maybe_drop_mmap(cpu: Cpu, vmf: VmFault, pfn: Pfn): boolean {
  at(cpu, BEFORE_FOLIO_LOCK);
  if (folio_trylock(cpu, pfn)) return true;
  if ((vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) {
    if (cpu.mutant === MUTANT_B46_NOWAIT) dropKeepingFile(cpu, vmf);
    return false;
  }
  if (!keepsLockFor(cpu, pfn)) maybe_unlock_mmap_for_io(cpu, vmf);
  if ((vmf.flags & FAULT_FLAG_KILLABLE) === 0) folio_lock(cpu, pfn);
  else if (folio_lock_killable(cpu, pfn) !== 0) {
    count_vm_event(cpu, FOLIO_LOCK_KILLED);
    if (vmf.fpin === NO_MAPPING) dropKeepingFile(cpu, vmf);
    return false;
  }
  at(cpu, AFTER_FOLIO_LOCK);
  return true;
}

/** A page that is up to date is locked for a moment only, so the fault lock is kept: the second version of the proposal to retry under the VMA lock. */
export function keepsLockFor(cpu: Cpu, pfn: Pfn): boolean {
  const rule = cpu.policy.uptodateRule;
  if (rule === 'none' || !folioTest(cpu, pfn, PG_uptodate)) return false;
  return rule === 'uptodate' || !folio_test_writeback(cpu, pfn);
}

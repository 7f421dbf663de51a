/**
 * Waiting for a page of anonymous memory, with the fault lock in hand: the function whose contract the proposals argue about.
 *
 *   attempt        policy        what happens                                                              on return
 *   First          retry         drop the fault lock, wait until the page is unlocked, do not take it      RETRY, nothing held
 *   First          retry-vma     the same, and the next attempt may run under the VMA lock                 RETRY | RETRY_VMA, nothing held
 *   First          reacquire     drop the VMA lock, lock the page, take the VMA lock again, check          0, both held; or RETRY, nothing held
 *   First          hold          wait for the page with the fault lock held                                0, both held
 *   First, NOWAIT                do not wait                                                               RETRY, fault lock held
 *   Later                        wait for the page with the fault lock held                                0, both held
 *   killed                       a wait that may drop the lock ends                                        RETRY, nothing held
 *
 * @kernel mm/filemap.c __folio_lock_or_retry(); include/linux/pagemap.h folio_lock_or_retry()
 * @fidelity faithful under the policies that are kernels
 * Next: fault/reacquire.ts
 */
import type { Pfn } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_flags, PG_uptodate, PG_writeback } from '../mm/folio.ts';
import {
  folio_lock,
  folio_lock_killable,
  folio_trylock,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
} from '../mm/folio_lock.ts';
import { ptep_get, pteWord } from '../mm/page_table.ts';
import { count_vm_event, FOLIO_LOCK_KILLED, LOCK_DROPPED_FOR_IO, REACQUIRE_FAILED } from '../trace/counters.ts';
import { TRACE_LOCK_DROPPED } from '../trace/events.ts';
import { AFTER_FOLIO_LOCK, AFTER_IO_WAIT, AFTER_LOCK_DROP_FOR_IO, at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { mayDropFaultLock, otherRetry, release_fault_lock, retryAfterWait } from './fault_lock.ts';
import { keepArea, reacquireArea, reacquires } from './reacquire.ts';
import {
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_RETRY_NOWAIT,
  fault_flag_allow_retry_first,
  VM_FAULT_RETRY,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/**
 * Locks the folio, or says that the attempt is over. The caller has a reference to it, which it keeps.
 * @locks in: the fault lock. out: it and the folio's with 0; as the table above says with RETRY. May sleep
 */
export function folio_lock_or_retry(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  at(cpu, BEFORE_FOLIO_LOCK);
  const result = folio_trylock(cpu, pfn) ? 0 : waitOrRetry(cpu, vmf, pfn);
  if (result === 0) at(cpu, AFTER_FOLIO_LOCK);
  return result;
}

function waitOrRetry(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  if (fault_flag_allow_retry_first(vmf.flags) && (vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return VM_FAULT_RETRY;
  if (!mayDropFaultLock(vmf) || keepsLock(cpu, pfn)) return lockHolding(cpu, vmf, pfn);
  return reacquires(vmf, cpu.policy.anonWait) ? lockAndReacquire(cpu, vmf, pfn) : dropAndWait(cpu, vmf, pfn);
}

/** Does the policy say that even a first attempt waits with its lock held? */
function keepsLock(cpu: Cpu, pfn: Pfn): boolean {
  const { anonWait, uptodateRule } = cpu.policy;
  if (anonWait === 'hold') return true;
  if (uptodateRule === 'none') return false;
  const flags = folio_flags(cpu, pfn);
  return (flags & PG_uptodate) !== 0 && (uptodateRule === 'uptodate' || (flags & PG_writeback) === 0);
}

/** Shared: whoever waits here does not want the page, only to know when it is worth another try. */
function dropAndWait(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  dropLock(cpu, vmf);
  if ((vmf.flags & FAULT_FLAG_KILLABLE) === 0) folio_wait_locked(cpu, pfn);
  else if (folio_wait_locked_killable(cpu, pfn) !== 0) count_vm_event(cpu, FOLIO_LOCK_KILLED);
  at(cpu, AFTER_IO_WAIT);
  return retryAfterWait(vmf, cpu.policy.anonWait);
}

/** Exclusive: the page stays locked while the VMA lock is taken again. The entry must be as it was; it is compared once more under its lock. */
function lockAndReacquire(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  const kept = keepArea(cpu, vmf);
  dropLock(cpu, vmf);
  if (folio_lock_killable(cpu, pfn) !== 0) {
    count_vm_event(cpu, FOLIO_LOCK_KILLED);
    return VM_FAULT_RETRY;
  }
  at(cpu, AFTER_IO_WAIT);
  if (reacquireArea(cpu, vmf, kept)) {
    if (vmf.table !== NO_TABLE && ptep_get(cpu, pteWord(cpu.memory, vmf.table, vmf.vpn)) === vmf.orig_pte) return 0;
    count_vm_event(cpu, REACQUIRE_FAILED);
    release_fault_lock(cpu, vmf);
  }
  folio_unlock(cpu, pfn);
  return VM_FAULT_RETRY;
}

function dropLock(cpu: Cpu, vmf: VmFault): void {
  count_vm_event(cpu, LOCK_DROPPED_FOR_IO);
  trace(cpu, TRACE_LOCK_DROPPED, vmf.vpn, vmf.flags);
  release_fault_lock(cpu, vmf);
  at(cpu, AFTER_LOCK_DROP_FOR_IO);
}

function lockHolding(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_KILLABLE) === 0) {
    folio_lock(cpu, pfn);
    return 0;
  }
  if (folio_lock_killable(cpu, pfn) === 0) return 0;
  count_vm_event(cpu, FOLIO_LOCK_KILLED);
  const retry = otherRetry(cpu, vmf);
  release_fault_lock(cpu, vmf);
  return retry;
}

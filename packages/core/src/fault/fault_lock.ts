/**
 * The lock that an attempt holds - the VMA read lock or mmap_lock for reading - and the one place that drops it.
 * @kernel include/linux/mm.h release_fault_lock(), assert_fault_locked(); mm/memory.c vmf_anon_prepare(); mm/internal.h
 *   maybe_unlock_mmap_for_io()
 * @fidelity faithful
 * Next: fault/handle_pte_fault.ts
 */
import { invariant } from '../base/assert.ts';
import { NO_ANON_VMA, NO_MAPPING, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, holdsClass } from '../locking/held_locks.ts';
import { LOCK_MMAP } from '../locking/lock_class.ts';
import { get_file } from '../mm/address_space.ts';
import { __anon_vma_prepare } from '../mm/anon_vma.ts';
import { revokeArea } from '../mm/area_token.ts';
import { fput } from '../mm/fput.ts';
import { mmap_assert_locked, mmap_read_lock, mmap_read_trylock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { vm_file, vm_mm, vmaAnonVmaOnce, vmRefcntWord } from '../mm/vm_area_struct.ts';
import { vma_end_read } from '../mm/vma_lock.ts';
import { MUTANT_B05, MUTANT_B18, MUTANT_B39_FILE } from '../mutants/ids.ts';
import type { OnWait } from '../policy/fault_policy.ts';
import { ANON_VMA_TRYLOCK_FAILED, count_vm_event, LOCK_DROPPED_FOR_IO } from '../trace/counters.ts';
import { TRACE_LOCK_DROPPED } from '../trace/events.ts';
import { AFTER_LOCK_DROP_FOR_IO, at, BEFORE_ANON_VMA_TRYLOCK } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import {
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_VMA_LOCK,
  fault_flag_allow_retry_first,
  liveVma,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_RETRY_VMA,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** Drops the lock of this attempt. At most once; nothing of the area may be used afterwards. @locks in: the fault lock. out: nothing */
export function release_fault_lock(cpu: Cpu, vmf: VmFault): void {
  const { vma } = vmf;
  invariant(vma !== NO_VMA, 'I09', 'the fault lock is released twice');
  const mm = vm_mm(cpu.memory, vma);
  vmf.vma = NO_VMA;
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0) vma_end_read(cpu, vma);
  else mmap_read_unlock(cpu, mm);
  if (cpu.verify) revokeArea(cpu, vma);
}

/** May this attempt drop its lock to be polite, as far as its flags say? */
export const mayDropFaultLock = (vmf: VmFault): boolean =>
  fault_flag_allow_retry_first(vmf.flags) && (vmf.flags & FAULT_FLAG_RETRY_NOWAIT) === 0;

/**
 * Before a wait for a page of a file: drops the fault lock if this is a first attempt and the policy does not hold it. The file is kept by a
 * reference (vmf.fpin) then, the area by nothing. Again after it has dropped the lock it does nothing.
 * @locks in: the fault lock, or nothing when vmf.fpin is set. out: nothing when it returns true. @returns whether the lock is gone
 */
export function maybe_unlock_mmap_for_io(cpu: Cpu, vmf: VmFault): boolean {
  if (vmf.fpin !== NO_MAPPING) return true;
  if (cpu.policy.fileWait === 'hold' || !mayDropFaultLock(vmf)) return false;
  dropKeepingFile(cpu, vmf);
  return true;
}

/** Drops the fault lock and keeps the file. @locks in: the fault lock. out: nothing; vmf.fpin is set */
export function dropKeepingFile(cpu: Cpu, vmf: VmFault): void {
  if (cpu.mutant === MUTANT_B39_FILE) {
    dropBeforeFile(cpu, vmf);
    return;
  }
  const file = vm_file(cpu.memory, liveVma(vmf));
  get_file(cpu, file);
  count_vm_event(cpu, LOCK_DROPPED_FOR_IO);
  trace(cpu, TRACE_LOCK_DROPPED, vmf.vpn, vmf.flags);
  release_fault_lock(cpu, vmf);
  vmf.fpin = file;
  at(cpu, AFTER_LOCK_DROP_FOR_IO);
}

/** B39-file: the area is asked for its file when nothing keeps it any more. */
function dropBeforeFile(cpu: Cpu, vmf: VmFault): void {
  const vma = liveVma(vmf);
  release_fault_lock(cpu, vmf);
  at(cpu, AFTER_LOCK_DROP_FOR_IO);
  vmf.fpin = vm_file(cpu.memory, vma);
  get_file(cpu, vmf.fpin);
}

/** Gives back the file reference of an attempt that dropped its lock. @locks none. Never sleeps */
export function putFpin(cpu: Cpu, vmf: VmFault): void {
  if (vmf.fpin === NO_MAPPING) return;
  fput(cpu, vmf.fpin);
  vmf.fpin = NO_MAPPING;
}

/** Only a first attempt asks for the VMA lock again: who has waited once holds its lock, and this is what ends the loop. */
const asksForVmaLock = (vmf: VmFault): boolean => (vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0 && fault_flag_allow_retry_first(vmf.flags);

/** RETRY after a wait for a page, with the lock that the policy names for the next attempt. @param wait the policy's answer for this kind of page */
export function retryAfterWait(vmf: VmFault, wait: OnWait): VmFaultBits {
  return wait === 'retry-vma' && asksForVmaLock(vmf) ? VM_FAULT_RETRY | VM_FAULT_RETRY_VMA : VM_FAULT_RETRY;
}

/** RETRY where neither lock is needed and no proposal names one: see FaultPolicy.otherRetries. */
export function otherRetry(cpu: Cpu, vmf: VmFault): VmFaultBits {
  return cpu.policy.otherRetries === 'vma' && asksForVmaLock(vmf) ? VM_FAULT_RETRY | VM_FAULT_RETRY_VMA : VM_FAULT_RETRY;
}

/** I09, I14: the attempt holds exactly the lock that its flags name. */
export function assert_fault_locked(cpu: Cpu, vmf: VmFault): void {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) {
    mmap_assert_locked(cpu, vm_mm(m, vma));
    return;
  }
  invariant(heldMode(cpu, vmRefcntWord(m, vma)) === 0, 'I09', 'the VMA read lock of this attempt is not held');
  invariant(!holdsClass(cpu, LOCK_MMAP), 'I14', 'a VMA-lock attempt holds mmap_lock');
}

/**
 * Makes sure that the area has an anon_vma. Under the VMA lock that needs mmap_lock too, which may only be tried: to wait for it would
 * deadlock with a writer that waits for this very VMA lock.
 *
 *   this fault                                writer
 *   1 holds the VMA read lock
 *                                             2 takes mmap_lock for writing, waits for the VMA
 *   3 trylock fails   <- decides: drop the VMA lock and start over under mmap_lock
 *
 * @locks in: the fault lock. out: the same with 0 or OOM; nothing with RETRY. May sleep under mmap_lock.
 */
export function vmf_anon_prepare(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const result = __vmf_anon_prepare(cpu, vmf);
  if ((result & VM_FAULT_RETRY) !== 0) release_fault_lock(cpu, vmf);
  return result;
}

/** As vmf_anon_prepare(), but leaves the fault lock held even with RETRY, for a caller that goes on using the area. */
export function __vmf_anon_prepare(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if (vmaAnonVmaOnce(cpu, m, vma) !== NO_ANON_VMA) return 0; // Pairs with: the publication in __anon_vma_prepare().
  if (cpu.mutant === MUTANT_B05 && (vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0) return 0; // It was there when the area was found.
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) return __anon_vma_prepare(cpu, vma) ? 0 : VM_FAULT_OOM;
  const mm = vm_mm(m, vma);
  at(cpu, BEFORE_ANON_VMA_TRYLOCK);
  if (cpu.mutant === MUTANT_B18) mmap_read_lock(cpu, mm);
  else if (!mmap_read_trylock(cpu, mm)) {
    count_vm_event(cpu, ANON_VMA_TRYLOCK_FAILED);
    return VM_FAULT_RETRY;
  }
  const prepared = __anon_vma_prepare(cpu, vma);
  mmap_read_unlock(cpu, mm);
  return prepared ? 0 : VM_FAULT_OOM;
}

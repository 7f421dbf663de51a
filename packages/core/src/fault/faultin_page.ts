/**
 * One fault on behalf of GUP: without registers, so nobody's instruction faults again, and under mmap_lock, never under the VMA lock.
 *
 *   what handle_mm_fault says    mmap_lock    what the caller hears
 *   RETRY                        gone         EBUSY, the lock is marked as gone
 *   RETRY with RETRY_NOWAIT      held         EBUSY
 *   COMPLETED                    gone         EAGAIN, the lock is marked as gone
 *   an error                     held         its errno
 *   nothing of these             held         0: look at the entry again
 *
 * @kernel mm/gup.c faultin_page(); include/linux/mm.h vm_fault_to_errno()
 * @fidelity faithful
 * Next: fault/gup.ts
 */
import { assert } from '../base/assert.ts';
import type { VmaId, Vpn } from '../base/brand.ts';
import { EAGAIN, EBUSY, EFAULT, EHWPOISON, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { MUTANT_B23C } from '../mutants/ids.ts';
import { count_vm_event, FAULTS_GUP, FAULTS_GUP_COMPLETED, FAULTS_GUP_RETRIED } from '../trace/counters.ts';
import {
  FOLL_HWPOISON,
  FOLL_INTERRUPTIBLE,
  FOLL_NOFAULT,
  FOLL_NOWAIT,
  FOLL_REMOTE,
  FOLL_TRIED,
  FOLL_UNLOCKABLE,
  FOLL_WRITE,
  type GupLock,
} from './foll_flags.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_INTERRUPTIBLE,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_HWPOISON_LARGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  type VmFaultBits,
} from './vm_fault.ts';

/**
 * @param unshare the page is there, but shared, and the caller wants to pin it
 * @locks in: mmap_lock. out: the same, or nothing when lock.locked is false. May sleep. @returns 0 or an errno, see above
 */
export function faultin_page(cpu: Cpu, vma: VmaId, vpn: Vpn, foll: number, unshare: boolean, lock: GupLock): number {
  if ((foll & FOLL_NOFAULT) !== 0) return EFAULT;
  count_vm_event(cpu, FAULTS_GUP);
  const flags = faultFlags(cpu, foll, unshare);
  const result = handle_mm_fault(cpu, vma, vpn, flags);
  if ((result & VM_FAULT_COMPLETED) !== 0) {
    assert((foll & FOLL_UNLOCKABLE) !== 0, 'faultin_page: COMPLETED for a caller that cannot be unlocked');
    count_vm_event(cpu, FAULTS_GUP_COMPLETED);
    lock.locked = cpu.mutant === MUTANT_B23C;
    return EAGAIN;
  }
  if ((result & VM_FAULT_ERROR) !== 0) return vm_fault_to_errno(result, foll);
  if ((result & VM_FAULT_RETRY) === 0) return 0;
  count_vm_event(cpu, FAULTS_GUP_RETRIED);
  if ((flags & FAULT_FLAG_RETRY_NOWAIT) === 0) lock.locked = false;
  return EBUSY;
}

function faultFlags(cpu: Cpu, foll: number, unshare: boolean): number {
  let flags = 0;
  if ((foll & FOLL_WRITE) !== 0) flags |= FAULT_FLAG_WRITE;
  else if (unshare) flags |= FAULT_FLAG_UNSHARE;
  if ((foll & FOLL_REMOTE) !== 0) flags |= FAULT_FLAG_REMOTE;
  // Until 5.6 the second attempt was also the last, by losing the permission to be tried again.
  const last = (foll & FOLL_TRIED) !== 0 && cpu.policy.retries === 'one';
  if ((foll & FOLL_UNLOCKABLE) !== 0 && !last) {
    flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
    if ((foll & FOLL_INTERRUPTIBLE) !== 0) flags |= FAULT_FLAG_INTERRUPTIBLE;
  }
  if ((foll & FOLL_NOWAIT) !== 0) flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT;
  if ((foll & FOLL_TRIED) !== 0 && !last) flags |= FAULT_FLAG_TRIED;
  return flags;
}

/** The error of a fault as an errno. @param foll FOLL_HWPOISON tells broken memory from other errors */
export function vm_fault_to_errno(result: VmFaultBits, foll: number): number {
  if ((result & VM_FAULT_OOM) !== 0) return ENOMEM;
  const broken = (result & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) !== 0;
  return broken && (foll & FOLL_HWPOISON) !== 0 ? EHWPOISON : EFAULT;
}

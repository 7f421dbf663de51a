/**
 * A fault for a caller that works under mmap_lock, wants it back in any case, and has to know whether it was lost in between: a futex, a device that maps
 * a page for a guest.
 *
 *   caller                                    another CPU
 *   1 finds an area, mmap_lock for reading
 *   2 fault: RETRY or COMPLETED, lock gone
 *                                             3 unmaps the area
 *   4 lock taken again, unlocked is set   <- decides: what was found before is void
 *
 * @kernel mm/gup.c fixup_user_fault(), vma_permits_fault()
 * @fidelity faithful
 * Next: fault/handle_mm_fault.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EFAULT, EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { restoreAreas } from '../mm/area_token.ts';
import { mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock } from '../mm/mmap_lock.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { count_vm_event, FAULTS_GUP, FAULTS_GUP_COMPLETED, FAULTS_GUP_RETRIED } from '../trace/counters.ts';
import { at, BETWEEN_GUP_ATTEMPTS } from '../trace/points.ts';
import { vm_fault_to_errno } from './faultin_page.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_RETRY,
} from './vm_fault.ts';

/** Was mmap_lock dropped and taken again? Set, never cleared. @kernel bool *unlocked */
export interface Unlocked {
  unlocked: boolean;
}

/**
 * @param faultFlags FAULT_FLAG_WRITE, FAULT_FLAG_REMOTE
 * @param unlocked null when the caller cannot have the lock dropped; then nothing waits without it
 * @locks in and out: mmap read. May sleep. @returns 0 or an errno
 */
export function fixup_user_fault(cpu: Cpu, mm: MmId, vpn: Vpn, faultFlags: number, unlocked: Unlocked | null): number {
  let flags = faultFlags;
  if (unlocked !== null) flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
  for (;;) {
    const vma = mas_walk(cpu, mmTree(cpu.memory, mm), vpn);
    if (vma === NO_VMA || !vma_permits_fault(cpu, vma, flags)) return EFAULT;
    if ((flags & FAULT_FLAG_KILLABLE) !== 0 && fatal_signal_pending(cpu)) return EINTR;
    count_vm_event(cpu, FAULTS_GUP);
    const result = handle_mm_fault(cpu, vma, vpn, flags);
    const completed = (result & VM_FAULT_COMPLETED) !== 0;
    if (!completed && (result & VM_FAULT_RETRY) === 0) return (result & VM_FAULT_ERROR) === 0 ? 0 : vm_fault_to_errno(result, 0);
    count_vm_event(cpu, completed ? FAULTS_GUP_COMPLETED : FAULTS_GUP_RETRIED);
    at(cpu, BETWEEN_GUP_ATTEMPTS);
    if (cpu.verify) restoreAreas(cpu);
    // A pity after COMPLETED, which has nothing left to do; but the callers expect their lock.
    mmap_read_lock(cpu, mm);
    (unlocked as Unlocked).unlocked = true;
    if (completed) return 0;
    flags = cpu.policy.retries === 'one' ? flags & ~(FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE) : flags | FAULT_FLAG_TRIED;
  }
}

function vma_permits_fault(cpu: Cpu, vma: VmaId, flags: number): boolean {
  return (vm_flags(cpu.memory, vma) & ((flags & FAULT_FLAG_WRITE) !== 0 ? VM_WRITE : VM_READ)) !== 0;
}

/**
 * Taking the VMA lock again after a wait without it: the page is there and locked, so nothing is left but to find out whether the area is still
 * what it was. No kernel does this; it was sketched in the discussion, as a way to finish a fault where it is.
 *
 *   faulting CPU                              writer
 *   1 notes what matters of the area
 *   2 drops its VMA lock, waits for the page
 *                                             3 unmaps, moves, splits, protects: whatever it likes
 *   4 looks the area up and locks it again
 *   5 compares with 1  <- decides: the same, or start over
 *
 * @kernel none
 * @fidelity none: a proposal
 * Next: policy/fault_policy.ts
 */
import type { AnonVmaId, MappingId, VmaId } from '../base/brand.ts';
import { NO_ANON_VMA, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { restoreAreas } from '../mm/area_token.ts';
import { findPteTable } from '../mm/page_table.ts';
import { linear_page_index, vm_file, vm_flags, vmaAnonVmaOnce } from '../mm/vm_area_struct.ts';
import { lock_vma_under_rcu, vma_end_read } from '../mm/vma_lock.ts';
import type { OnWait } from '../policy/fault_policy.ts';
import { count_vm_event, REACQUIRE_FAILED, REACQUIRED, VMA_LOCK_ABORT_REACQUIRE } from '../trace/counters.ts';
import { at, BEFORE_REACQUIRE } from '../trace/points.ts';
import { beginAttempt } from './attempt_checks.ts';
import { FAULT_FLAG_VMA_LOCK, liveVma, type VmFault } from './vm_fault.ts';

/** What must still be true of the area for the fault to go on in it. */
export interface AreaKept {
  /** Whoever called the handler releases this one, so it must be the same record. */
  readonly vma: VmaId;
  readonly file: MappingId;
  /** Index of the faulting page in the file or the anon_vma. */
  readonly index: number;
  readonly flags: number;
  readonly anonVma: AnonVmaId;
}

/** @locks in: the fault lock */
export function keepArea(cpu: Cpu, vmf: VmFault): AreaKept {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  return { vma, file: vm_file(m, vma), index: vmf.pgoff, flags: vm_flags(m, vma), anonVma: vmaAnonVmaOnce(cpu, m, vma) };
}

/**
 * Takes the VMA lock of the page's area again and gives the attempt its area back. Everything else that was learned of the page tables is void:
 * they may have been freed.
 * @locks in: nothing that a holder of the VMA lock waits for, but folio locks, which the attempt had before too. out: adds the VMA read lock when
 *   it returns true. Never sleeps. @returns false when the area cannot be locked or is another one
 */
export function reacquireArea(cpu: Cpu, vmf: VmFault, kept: AreaKept): boolean {
  at(cpu, BEFORE_REACQUIRE);
  const vma = lock_vma_under_rcu(cpu, cpu.mm, vmf.vpn);
  if (vma === NO_VMA) {
    count_vm_event(cpu, VMA_LOCK_ABORT_REACQUIRE);
    count_vm_event(cpu, REACQUIRE_FAILED);
    return false;
  }
  if (!sameArea(cpu, vma, vmf, kept)) {
    vma_end_read(cpu, vma);
    count_vm_event(cpu, REACQUIRE_FAILED);
    return false;
  }
  vmf.vma = vma;
  vmf.table = findPteTable(cpu, cpu.mm, vmf.vpn);
  if (cpu.verify) {
    restoreAreas(cpu);
    vmf.seen = beginAttempt(cpu, vmf);
  }
  count_vm_event(cpu, REACQUIRED);
  return true;
}

function sameArea(cpu: Cpu, vma: VmaId, vmf: VmFault, kept: AreaKept): boolean {
  const m = cpu.memory;
  if (vma !== kept.vma || vm_file(m, vma) !== kept.file || vm_flags(m, vma) !== kept.flags) return false;
  // A private copy was prepared for: the area must have an anon_vma still, which one does not matter.
  if (kept.anonVma !== NO_ANON_VMA && vmaAnonVmaOnce(cpu, m, vma) === NO_ANON_VMA) return false;
  return linear_page_index(m, vma, vmf.vpn) === kept.index;
}

/** Does this attempt wait without its lock and take it again? Only under the VMA lock: to find the area under mmap_lock is what RETRY does. */
export const reacquires = (vmf: VmFault, wait: OnWait): boolean => wait === 'reacquire' && (vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0;

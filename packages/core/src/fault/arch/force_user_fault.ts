/**
 * The second entry of sparc32: the kernel spills or fills a register window of the user, and faults the page in for it. It compares the whole result
 * with two values, because it keeps no variable whose bits it could test: when COMPLETED came, the test for it did not compile here, and was not needed
 * either. The entry allows no retry, so it can never see RETRY or COMPLETED.
 * @kernel arch/sparc/mm/fault_32.c force_user_fault(), window_overflow_fault(), window_underflow_fault()
 * @fidelity faithful; what it misses, too: an error with another bit beside it counts as success, and the access will fault again
 * Next: fault/do_user_addr_fault.ts
 */
import { assert } from '../../base/assert.ts';
import type { Vpn } from '../../base/brand.ts';
import { NO_VMA } from '../../base/brand.ts';
import type { Cpu } from '../../cpu.ts';
import { mmap_read_unlock } from '../../mm/mmap_lock.ts';
import { fatal_signal_pending } from '../../sched/task.ts';
import { count_vm_event, FAULTS_REFUSED, FAULTS_SIGNAL, FAULTS_USER, MMAP_ATTEMPTS } from '../../trace/counters.ts';
import {
  FAULT_HANDLED,
  FAULT_SEGV_ACCERR,
  FAULT_SEGV_MAPERR,
  FAULT_SIGBUS,
  FAULT_SIGNAL_PENDING,
  type FaultOutcome,
} from '../do_user_addr_fault.ts';
import { handle_mm_fault } from '../handle_mm_fault.ts';
import { lock_mm_and_find_vma } from '../lock_mm_and_find_vma.ts';
import { FAULT_FLAG_USER, FAULT_FLAG_WRITE, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFaultBits } from '../vm_fault.ts';
import { access_error } from './access_error.ts';
import { X86_PF_USER, X86_PF_WRITE } from './error_code.ts';

/** @locks none in, none out. Takes mmap_lock for reading, and holds it through every wait; may sleep. */
export function force_user_fault(cpu: Cpu, vpn: Vpn, write: boolean): FaultOutcome {
  assert(cpu.entry.exactResultSwitch, 'force_user_fault: this architecture has no register windows');
  const { mm } = cpu;
  count_vm_event(cpu, FAULTS_USER);
  count_vm_event(cpu, MMAP_ATTEMPTS);
  const vma = lock_mm_and_find_vma(cpu, mm, vpn);
  if (vma === NO_VMA && fatal_signal_pending(cpu)) {
    count_vm_event(cpu, FAULTS_SIGNAL);
    return FAULT_SIGNAL_PENDING;
  }
  if (vma === NO_VMA || access_error(cpu, vma, X86_PF_USER | (write ? X86_PF_WRITE : 0))) {
    if (vma !== NO_VMA) mmap_read_unlock(cpu, mm);
    count_vm_event(cpu, FAULTS_REFUSED);
    return vma === NO_VMA ? FAULT_SEGV_MAPERR : FAULT_SEGV_ACCERR;
  }
  const outcome = outcomeOfExactly(handle_mm_fault(cpu, vma, vpn, FAULT_FLAG_USER | (write ? FAULT_FLAG_WRITE : 0)));
  mmap_read_unlock(cpu, mm);
  return outcome;
}

/** Out of memory is a bus error here, too. */
export function outcomeOfExactly(result: VmFaultBits): FaultOutcome {
  switch (result) {
    case VM_FAULT_SIGBUS:
    case VM_FAULT_OOM:
      return FAULT_SIGBUS;
    default:
      return FAULT_HANDLED;
  }
}

/**
 * One attempt at a fault, with the fault lock held: checks, descends, accounts.
 * @kernel mm/memory.c handle_mm_fault(), __handle_mm_fault(), mm_account_fault()
 * @fidelity reduced: no huge pages
 * Next: fault/handle_pte_fault.ts
 */
import { invariant } from '../base/assert.ts';
import type { VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { PC_MAJ_FLT, PC_MIN_FLT } from '../memory/percpu.ts';
import { restoreAreas } from '../mm/area_token.ts';
import { linear_page_index, vm_flags } from '../mm/vm_area_struct.ts';
import { is_cow_mapping, VM_EXEC, VM_MAYWRITE, VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { MUTANT_B25, MUTANT_B39_ACCOUNT } from '../mutants/ids.ts';
import { count_vm_event, FAULTS_ERROR, FAULTS_FINISHED, FAULTS_RETRIED, PGFAULT } from '../trace/counters.ts';
import { TRACE_HANDLE_MM_FAULT } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { beginAttempt, endAttempt, endDropped } from './attempt_checks.ts';
import { handle_pte_fault } from './handle_pte_fault.ts';
import {
  checkFaultFlags,
  checkFaultResult,
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_USER,
  FAULT_FLAG_WRITE,
  faultLockDropped,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_RETRY,
  VM_FAULT_SIGSEGV,
  VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/**
 * Tries to resolve a fault on a page of the area.
 * @locks in: VMA read (flags has VMA_LOCK) or mmap read. out: the same, unless the result has RETRY (without RETRY_NOWAIT) or COMPLETED: then
 * nothing. Then, too, the area may be gone. May sleep.
 */
export function handle_mm_fault(cpu: Cpu, vma: VmaId, vpn: Vpn, flags: number): VmFaultBits {
  checkFaultFlags(flags);
  if (cpu.verify) restoreAreas(cpu);
  if (cpu.policy.accounting === 'every-attempt' || cpu.mutant === MUTANT_B25) count_vm_event(cpu, PGFAULT);
  const vmf = new VmFault(vma, vpn, flags, linear_page_index(cpu.memory, vma, vpn));
  if (cpu.verify) vmf.seen = beginAttempt(cpu, vmf);
  cpu.inUserFault = (flags & FAULT_FLAG_USER) !== 0;
  const result = sanitize_fault_flags(cpu, vma, flags) ? handle_pte_fault(cpu, vmf) : VM_FAULT_SIGSEGV;
  cpu.inUserFault = false;
  if (cpu.mutant === MUTANT_B39_ACCOUNT && (vm_flags(cpu.memory, vma) & VM_WRITE) !== 0)
    trace(cpu, TRACE_HANDLE_MM_FAULT, vpn, flags, result);
  if (cpu.verify) checkFaultFlags(vmf.flags); // What the attempt has made of them goes into every later decision.
  checkFaultResult(flags, result);
  checkLockOnReturn(vmf, result);
  if (vmf.seen !== null) vmf.vma === NO_VMA ? endDropped(cpu, vmf, vmf.seen) : endAttempt(cpu, vmf, vmf.seen);
  if (cpu.verify && (result & VM_FAULT_MAJOR) !== 0) cpu.majorSeen = true;
  mm_account_fault(cpu, flags, result);
  trace(cpu, TRACE_HANDLE_MM_FAULT, vpn, flags, result);
  return result;
}

/** A copy that must not be made, or an access that the area does not allow: the caller should have known. */
function sanitize_fault_flags(cpu: Cpu, vma: VmaId, flags: number): boolean {
  const area = vm_flags(cpu.memory, vma);
  if ((flags & FAULT_FLAG_UNSHARE) !== 0 && !is_cow_mapping(area)) return false;
  if ((flags & FAULT_FLAG_WRITE) !== 0 && (area & VM_MAYWRITE) === 0) return false;
  if ((flags & FAULT_FLAG_REMOTE) !== 0) return true;
  const needed =
    (flags & FAULT_FLAG_WRITE) !== 0 ? VM_WRITE : (flags & FAULT_FLAG_INSTRUCTION) !== 0 ? VM_EXEC : VM_READ | VM_WRITE | VM_EXEC;
  return (area & needed) !== 0;
}

/** I09: released by the handler exactly when the result says so. */
function checkLockOnReturn(vmf: VmFault, result: VmFaultBits): void {
  if (faultLockDropped(vmf.flags, result)) {
    invariant(vmf.vma === NO_VMA, 'I09', 'the result says that the fault lock was dropped, but it was not');
    return;
  }
  invariant(vmf.vma !== NO_VMA, 'I09', 'the fault lock was dropped, but the result does not say so');
}

/** A fault counts once, when it is finished; an attempt that must be repeated does not count. */
function mm_account_fault(cpu: Cpu, flags: number, result: VmFaultBits): void {
  if ((result & VM_FAULT_RETRY) !== 0) {
    count_vm_event(cpu, FAULTS_RETRIED);
    return;
  }
  if (cpu.policy.accounting === 'finished' && cpu.mutant !== MUTANT_B25) count_vm_event(cpu, PGFAULT);
  if ((result & VM_FAULT_ERROR) !== 0) {
    count_vm_event(cpu, FAULTS_ERROR);
    return;
  }
  count_vm_event(cpu, FAULTS_FINISHED);
  // I27: major when this attempt started I/O, or when an earlier one said so or waited.
  const major = (result & VM_FAULT_MAJOR) !== 0 || (flags & FAULT_FLAG_TRIED) !== 0;
  const word = cpu.percpu + (major ? PC_MAJ_FLT : PC_MIN_FLT);
  cpu.words[word] = ((cpu.words[word] as number) + 1) | 0;
}

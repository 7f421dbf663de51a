/**
 * The entry: a user access faulted. First the VMA lock, then mmap_lock, and again as often as an attempt says RETRY.
 *
 *              +---------------------------+ RETRY with RETRY_VMA: lock is gone
 *              v                           |
 *   lock_vma_under_rcu -> handle_mm_fault -+-> done
 *        | nothing found                   | RETRY: lock is gone
 *        v                                 v
 *   lock_mm_and_find_vma -> handle_mm_fault -+-> done
 *                  ^                         | RETRY: lock is gone, TRIED from now on
 *                  +-------------------------+
 *
 * The function is x86's. Other architectures have the same steps under another name, and what they do differently is a field of cpu.entry
 * (policy/arch_entry.ts), consulted at one place each.
 *
 * @kernel arch/x86/mm/fault.c do_user_addr_fault(); arch/arm64/mm/fault.c do_page_fault(), arch/arm/mm/fault.c do_page_fault(),
 *   arch/powerpc/mm/fault.c ___do_page_fault(), arch/riscv/mm/fault.c handle_page_fault(), arch/loongarch/mm/fault.c __do_page_fault(),
 *   arch/s390/mm/fault.c do_exception(), arch/sparc/mm/fault_32.c do_sparc_fault()
 * @fidelity faithful for x86, the others where they differ in locking; protection keys and shadow stacks do not exist
 * Next: mm/vma_lock.ts lock_vma_under_rcu(), fault/handle_mm_fault.ts
 */

import { assert, invariant } from '../base/assert.ts';
import type { MmId, Vpn } from '../base/brand.ts';
import { NO_MM, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldCount } from '../locking/held_locks.ts';
import { PC_FAULT_VPN, PC_MAJ_FLT } from '../memory/percpu.ts';
import { restoreAreas } from '../mm/area_token.ts';
import { mmap_read_unlock } from '../mm/mmap_lock.ts';
import { lock_vma_under_rcu, vma_end_read } from '../mm/vma_lock.ts';
import { MUTANT_B23A, MUTANT_B24, MUTANT_B26, MUTANT_B36, MUTANT_B36B } from '../mutants/ids.ts';
import type { EntryRules } from '../policy/arch_entry.ts';
import { mem_cgroup_handle_over_high } from '../reclaim/memcg_limits.ts';
import { cond_resched } from '../sched/cond_resched.ts';
import { fatal_signal_pending, signal_pending } from '../sched/task.ts';
import {
  count_vm_event,
  FAULTS_KERNEL,
  FAULTS_LOCAL_MAJOR,
  FAULTS_PSEUDO,
  FAULTS_REFUSED,
  FAULTS_RETRIED_VMA,
  FAULTS_SIGNAL,
  FAULTS_USER,
  MMAP_ATTEMPTS,
  VMA_LOCK_RETRY,
  VMA_LOCK_SUCCESS,
} from '../trace/counters.ts';
import { TRACE_FAULT_RETRY, TRACE_PAGE_FAULT_KERNEL, TRACE_PAGE_FAULT_USER } from '../trace/events.ts';
import { at, BEFORE_MMAP_RETRY, BETWEEN_DROP_AND_RETRY } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { access_error, denyUnderVmaLock } from './arch/access_error.ts';
import { type Answer, answerOf } from './arch/answer_of.ts';
import { PF_GUEST, PF_GUEST_PFAULT, X86_PF_INSTR, X86_PF_USER, X86_PF_WRITE } from './arch/error_code.ts';
import { findAndExpand } from './arch/find_and_expand.ts';
import { __gmap_link, gmapLinkAfterCompleted } from './arch/gmap.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import { lock_mm_and_find_vma } from './lock_mm_and_find_vma.ts';
import { pagefault_out_of_memory } from './pagefault_out_of_memory.ts';
import {
  FAULT_FLAG_DEFAULT,
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_USER,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_HWPOISON_LARGE,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_RETRY_VMA,
  VM_FAULT_SIGSEGV,
  type VmFaultBits,
} from './vm_fault.ts';

/** How a fault ended for the task. */
export const FAULT_HANDLED = 0;
/** No area at the address. */
export const FAULT_SEGV_MAPERR = 1;
/** An area that does not allow the access. */
export const FAULT_SEGV_ACCERR = 2;
export const FAULT_SIGBUS = 3;
export const FAULT_OOM = 4;
/** A signal is pending that ended the wait: the caller delivers it, and a user instruction then faults again. */
export const FAULT_SIGNAL_PENDING = 5;
/** s390: the guest is told that its page is on the way. Nobody waits. */
export const FAULT_PFAULT = 6;
/** The memory is broken. */
export const FAULT_HWPOISON = 7;
export type FaultOutcome = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/**
 * L01: attempts of one fault, so many that only a fault which can never end has them. Others may take the page away between any two attempts, and
 * a userfaultfd handler may be asked any number of times; but each time something has moved on.
 */
const ATTEMPTS_MAX = 1_000;

/**
 * Resolves a fault of the address space that this CPU runs on.
 * @param errorCode X86_PF_* and PF_* bits; without USER the kernel itself faulted, in an access that may fail
 * @locks in: nothing. out: nothing. May sleep.
 */
export function do_user_addr_fault(cpu: Cpu, vpn: Vpn, errorCode: number): FaultOutcome {
  assert(heldCount(cpu) === 0, 'do_user_addr_fault: a lock is held');
  const user = (errorCode & X86_PF_USER) !== 0;
  count_vm_event(cpu, user ? FAULTS_USER : FAULTS_KERNEL);
  trace(cpu, user ? TRACE_PAGE_FAULT_USER : TRACE_PAGE_FAULT_KERNEL, vpn, errorCode);
  cpu.words[cpu.percpu + PC_FAULT_VPN] = vpn + 1;
  const before = beforeCharge(cpu);
  const outcome = resolve(cpu, vpn, errorCode, initialFlags(cpu, errorCode));
  cpu.words[cpu.percpu + PC_FAULT_VPN] = 0;
  if (cpu.verify) {
    restoreAreas(cpu);
    checkCharge(cpu, outcome, before);
  }
  invariant(heldCount(cpu) === 0, 'I09', 'a fault ended, but its lock was not released');
  if (cpu.overHigh !== 0) mem_cgroup_handle_over_high(cpu);
  if (outcome === FAULT_OOM && user) return withoutMemory(cpu);
  cpu.faultsWithoutMemory = 0;
  return outcome;
}

/** What becomes of a fault of user code that found no memory: the instruction is executed again, or the task goes. @locks none in, none out */
function withoutMemory(cpu: Cpu): FaultOutcome {
  const after = pagefault_out_of_memory(cpu);
  if (after === 'told') return FAULT_OOM;
  return after === 'killed' ? FAULT_SIGNAL_PENDING : FAULT_HANDLED;
}

/** Major faults charged to the task so far. */
function beforeCharge(cpu: Cpu): number {
  cpu.majorSeen = false;
  return cpu.words[cpu.percpu + PC_MAJ_FLT] as number;
}

/**
 * I27, fault by fault: one whose attempts did I/O is charged as major, whichever attempt finished it. Entries that forget it are a field of
 * policy/arch_entry.ts; a last attempt that may not be tried again (until 5.6) looks like a first one.
 */
function checkCharge(cpu: Cpu, outcome: FaultOutcome, before: number): void {
  if (outcome !== FAULT_HANDLED || !cpu.majorSeen || !cpu.entry.triedAfterVmaMajor || cpu.policy.retries === 'one') return;
  invariant(cpu.words[cpu.percpu + PC_MAJ_FLT] !== before, 'I27', 'a fault that did I/O was charged as minor');
}

function initialFlags(cpu: Cpu, errorCode: number): number {
  let flags = FAULT_FLAG_DEFAULT;
  if ((errorCode & X86_PF_WRITE) !== 0) flags |= FAULT_FLAG_WRITE;
  if ((errorCode & X86_PF_INSTR) !== 0) flags |= FAULT_FLAG_INSTRUCTION;
  if ((errorCode & X86_PF_USER) !== 0) flags |= FAULT_FLAG_USER;
  if ((errorCode & PF_GUEST_PFAULT) !== 0 && cpu.entry.nowaitPseudoFaults && isGuest(cpu, errorCode)) flags |= FAULT_FLAG_RETRY_NOWAIT;
  return flags;
}

function resolve(cpu: Cpu, vpn: Vpn, errorCode: number, firstFlags: number): FaultOutcome {
  const { mm, entry } = cpu;
  let flags = firstFlags;
  if ((flags & FAULT_FLAG_USER) === 0 || !entry.vmaLock) return resolveUnderMmapLock(cpu, mm, vpn, errorCode, flags);
  for (let attempts = 1; ; attempts++) {
    if (cpu.verify) invariant(attempts <= ATTEMPTS_MAX, 'L01', 'a fault is tried again and again under the VMA lock');
    const vma = lock_vma_under_rcu(cpu, mm, vpn);
    if (vma === NO_VMA) break;
    if (access_error(cpu, vma, errorCode)) {
      denyUnderVmaLock(cpu, vma);
      count_vm_event(cpu, VMA_LOCK_SUCCESS);
      return refused(cpu, FAULT_SEGV_ACCERR);
    }
    const result = handle_mm_fault(cpu, vma, vpn, flags | FAULT_FLAG_VMA_LOCK);
    const looksLikeError = cpu.mutant === MUTANT_B36B && (result & VM_FAULT_RETRY_VMA) !== 0;
    if ((result & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) === 0 || looksLikeError) vma_end_read(cpu, vma);
    if ((result & VM_FAULT_RETRY) === 0) {
      count_vm_event(cpu, VMA_LOCK_SUCCESS);
      return outcomeOf(result);
    }
    count_vm_event(cpu, VMA_LOCK_RETRY);
    at(cpu, BETWEEN_DROP_AND_RETRY);
    // The attempt that started the I/O was the first: the next one holds its lock through whatever is left.
    if ((result & VM_FAULT_MAJOR) !== 0 && entry.triedAfterVmaMajor && cpu.mutant !== MUTANT_B24) flags |= FAULT_FLAG_TRIED;
    if (fault_signal_pending(cpu, flags)) return leaveForSignal(cpu, flags);
    if ((result & VM_FAULT_RETRY_VMA) === 0 && cpu.mutant !== MUTANT_B36) break;
    count_vm_event(cpu, FAULTS_RETRIED_VMA);
  }
  return resolveUnderMmapLock(cpu, mm, vpn, errorCode, flags);
}

function resolveUnderMmapLock(cpu: Cpu, mm: MmId, vpn: Vpn, errorCode: number, firstFlags: number): FaultOutcome {
  const { entry } = cpu;
  let flags = firstFlags;
  let major = 0;
  for (let attempts = 1; ; attempts++) {
    if (cpu.verify) invariant(attempts <= ATTEMPTS_MAX, 'L01', 'a fault is tried again and again under mmap_lock');
    count_vm_event(cpu, MMAP_ATTEMPTS);
    at(cpu, BEFORE_MMAP_RETRY);
    const vma = entry.findsAndExpands ? findAndExpand(cpu, mm, vpn) : lock_mm_and_find_vma(cpu, mm, vpn);
    if (vma === NO_VMA) return fatal_signal_pending(cpu) ? leaveForSignal(cpu, flags) : refused(cpu, FAULT_SEGV_MAPERR);
    if (access_error(cpu, vma, errorCode)) {
      mmap_read_unlock(cpu, mm);
      return refused(cpu, FAULT_SEGV_ACCERR);
    }
    const result = handle_mm_fault(cpu, vma, vpn, flags);
    if (entry.localMajor) major |= result & VM_FAULT_MAJOR;
    switch (cpu.mutant === MUTANT_B23A ? withoutCompleted(entry, result) : answerOf(entry, result)) {
      case 'completed':
        return afterCompleted(cpu, mm, vpn, errorCode, major);
      case 'error':
        mmap_read_unlock(cpu, mm);
        return outcomeOf(result);
      case 'done':
        return afterDone(cpu, mm, vpn, errorCode, major);
      case 'retry':
    }
    if (fault_signal_pending(cpu, flags)) return leaveForSignal(cpu, flags, mm);
    if ((flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return pseudoFault(cpu, mm);
    trace(cpu, TRACE_FAULT_RETRY, vpn, flags);
    at(cpu, BETWEEN_DROP_AND_RETRY);
    cond_resched(cpu, attempts); // RETRY without a wait: a userfaultfd that closes. The closing thread needs a core to go on.
    flags = nextFlags(cpu, flags);
  }
}

/** B23a: the entry does not know COMPLETED. */
const withoutCompleted = (entry: EntryRules, result: VmFaultBits): Answer => answerOf(entry, result & ~VM_FAULT_COMPLETED);

/** The lock is gone and the page is there. @locks none in, none out */
function afterCompleted(cpu: Cpu, mm: MmId, vpn: Vpn, errorCode: number, major: number): FaultOutcome {
  switch (cpu.entry.afterCompleted) {
    case 'return':
      return FAULT_HANDLED;
    case 'accounting':
      return accountLocally(cpu, major);
    case 'gmap':
      if (!isGuest(cpu, errorCode)) return FAULT_HANDLED;
      return gmapLinkAfterCompleted(cpu, mm, vpn) ? FAULT_HANDLED : FAULT_SEGV_MAPERR;
  }
}

/** The page is there. @locks in: mmap read. out: nothing */
function afterDone(cpu: Cpu, mm: MmId, vpn: Vpn, errorCode: number, major: number): FaultOutcome {
  if (isGuest(cpu, errorCode)) __gmap_link(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  return accountLocally(cpu, major);
}

const isGuest = (cpu: Cpu, errorCode: number): boolean => cpu.entry.gmap && (errorCode & PF_GUEST) !== 0;

/** @param major MAJOR, if an attempt under mmap_lock said so and the entry cares */
function accountLocally(cpu: Cpu, major: number): FaultOutcome {
  if (major !== 0) count_vm_event(cpu, FAULTS_LOCAL_MAJOR);
  return FAULT_HANDLED;
}

/** RETRY to an attempt that may not wait: the lock is still held. @locks in: mmap read. out: nothing */
function pseudoFault(cpu: Cpu, mm: MmId): FaultOutcome {
  mmap_read_unlock(cpu, mm);
  count_vm_event(cpu, FAULTS_PSEUDO);
  return FAULT_PFAULT;
}

/** A signal ends the fault. @param mm the address space whose lock an attempt with RETRY_NOWAIT has kept. @locks none in but that, none out */
function leaveForSignal(cpu: Cpu, flags: number, mm: MmId = NO_MM): FaultOutcome {
  if (mm !== NO_MM && (flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) mmap_read_unlock(cpu, mm);
  count_vm_event(cpu, FAULTS_SIGNAL);
  if (cpu.mutant === MUTANT_B26) return FAULT_HANDLED;
  return (flags & FAULT_FLAG_USER) === 0 && cpu.entry.signalInKernelMode === 'sigbus' ? FAULT_SIGBUS : FAULT_SIGNAL_PENDING;
}

/** The fault ends before any handler has seen it. */
function refused(cpu: Cpu, outcome: FaultOutcome): FaultOutcome {
  count_vm_event(cpu, FAULTS_REFUSED);
  return outcome;
}

/**
 * Later attempts are TRIED; until 5.6 the second attempt was also the last, by losing ALLOW_RETRY. It may not say RETRY any more, and so no signal ends
 * its waits either.
 */
function nextFlags(cpu: Cpu, flags: number): number {
  return cpu.policy.retries === 'one' ? flags & ~(FAULT_FLAG_DEFAULT | FAULT_FLAG_TRIED) : flags | FAULT_FLAG_TRIED;
}

/** Must the task go back and take a signal instead of trying again? Fatal ones always; any, when a user instruction can just fault again. */
function fault_signal_pending(cpu: Cpu, flags: number): boolean {
  return fatal_signal_pending(cpu) || ((flags & FAULT_FLAG_USER) !== 0 && signal_pending(cpu));
}

function outcomeOf(result: VmFaultBits): FaultOutcome {
  if ((result & VM_FAULT_ERROR) === 0) return FAULT_HANDLED;
  if ((result & VM_FAULT_OOM) !== 0) return FAULT_OOM;
  if ((result & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) !== 0) return FAULT_HWPOISON;
  return (result & VM_FAULT_SIGSEGV) !== 0 ? FAULT_SEGV_MAPERR : FAULT_SIGBUS;
}

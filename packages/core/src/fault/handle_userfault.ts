/**
 * A fault that user space resolves: the task queues its question, drops its lock, sleeps until a handler has answered, and starts over.
 * Whatever woke it, the result is RETRY and never MAJOR; TRIED does not stop it, so that a fault may come here as often as it takes.
 *
 *   faulting CPU                              handler's CPU
 *   1 entry is empty, page-table lock dropped
 *                                             2 fills the page for another fault, looks for waiters: none
 *   3 queues itself, announces its sleep
 *   4 looks at the tables: the page is there  <- decides: does not sleep
 *   5 drops its lock, leaves the queue: RETRY
 *
 * Were the tables looked at before 3, a page filled between the look and 3 would leave the task asleep for ever.
 *
 *   faulting CPU                              closing CPU
 *   1 page-table lock dropped
 *                                             2 marks the context as released
 *                                             3 waits for mmap_lock, to take the areas off the context
 *   4 sees the mark: drops its lock, RETRY    <- decides: 3 can go on. With the lock kept, or with NOPAGE, which makes a GUP loop come back
 *                                                at once with mmap_lock still held, 3 would wait for ever
 *
 * @kernel fs/userfaultfd.c handle_userfault(), userfaultfd_must_wait(), userfaultfd_get_blocking_state()
 * @fidelity reduced: no huge pages, no thread ids; exiting tasks do not fault here
 * Next: mm/userfaultfd_ctx.ts wakes, syscalls/userfaultfd_read.ts reads
 */
import { assert } from '../base/assert.ts';
import type { Pte, UffdId } from '../base/brand.ts';
import { NO_TABLE, NO_UFFD } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_read } from '../memory/atomic.ts';
import { WAIT_USERFAULT } from '../memory/percpu.ts';
import { findPteTable, pteWord } from '../mm/page_table.ts';
import { pte_none, pte_write } from '../mm/pte.ts';
import { is_pte_marker } from '../mm/swap_entry.ts';
import {
  UFFD_FEATURE_SIGBUS,
  uffdFeatures,
  uffdLockWord,
  uffdMm,
  uffdPendingList,
  uffdReleased,
  userfaultfd_ctx_get,
  userfaultfd_ctx_put,
  wakeUffdReaders,
} from '../mm/userfaultfd_ctx.ts';
import {
  addUffdWaiter,
  removeUffdWaiter,
  setUffdWaiterField,
  UFFD_EVENT_PAGEFAULT,
  UFFD_PAGEFAULT_FLAG_MINOR,
  UFFD_PAGEFAULT_FLAG_WP,
  UFFD_PAGEFAULT_FLAG_WRITE,
  UW_ARGUMENT,
  UW_EVENT,
  UW_FLAGS,
  UW_PAGES,
  UW_VPN,
  uffdWaiterList,
} from '../mm/userfaultfd_wait.ts';
import { vm_mm, vm_userfaultfd_ctx } from '../mm/vm_area_struct.ts';
import { VM_UFFD_MINOR, type VM_UFFD_MISSING, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { MUTANT_B22 } from '../mutants/ids.ts';
import {
  __set_current_state_running,
  schedule,
  set_current_state,
  TASK_INTERRUPTIBLE,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
} from '../sched/task.ts';
import { count_vm_event, USERFAULTS } from '../trace/counters.ts';
import { TRACE_USERFAULT } from '../trace/events.ts';
import { at, USERFAULT_BEFORE_SCHEDULE, USERFAULT_QUEUED } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { release_fault_lock } from './fault_lock.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_INTERRUPTIBLE,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_WRITE,
  liveVma,
  VM_FAULT_NOPAGE,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** Why a fault is handed over: one of VM_UFFD_MISSING, VM_UFFD_WP, VM_UFFD_MINOR. */
export type UserfaultReason = typeof VM_UFFD_MISSING | typeof VM_UFFD_WP | typeof VM_UFFD_MINOR;

/**
 * Hands the fault to the handler of the area's context. Rows 36 and 37.
 * @locks in: the fault lock, no spinlock. out: nothing with RETRY (with NOWAIT: the fault lock); the fault lock with SIGBUS. Sleeps.
 */
export function handle_userfault(cpu: Cpu, vmf: VmFault, reason: UserfaultReason): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  const ctx = vm_userfaultfd_ctx(m, vma);
  if (ctx === NO_UFFD) return VM_FAULT_SIGBUS;
  assert(uffdMm(m, ctx) === vm_mm(m, vma), 'handle_userfault: the context is of another address space');
  if ((uffdFeatures(m, ctx) & UFFD_FEATURE_SIGBUS) !== 0) return VM_FAULT_SIGBUS;
  if ((vmf.flags & FAULT_FLAG_ALLOW_RETRY) === 0) return VM_FAULT_SIGBUS;
  if ((vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return VM_FAULT_RETRY;
  count_vm_event(cpu, USERFAULTS);
  trace(cpu, TRACE_USERFAULT, vmf.vpn, reason, vmf.flags);
  if (uffdReleased(cpu, ctx)) {
    if (cpu.mutant === MUTANT_B22) return VM_FAULT_NOPAGE;
    release_fault_lock(cpu, vmf);
    return VM_FAULT_RETRY;
  }
  waitForHandler(cpu, vmf, ctx, reason);
  return VM_FAULT_RETRY;
}

/** @locks in: the fault lock. out: nothing. Sleeps */
function waitForHandler(cpu: Cpu, vmf: VmFault, ctx: UffdId, reason: UserfaultReason): void {
  const m = cpu.memory;
  const lock = uffdLockWord(m, ctx);
  const me = cpu.id + 1;
  userfaultfd_ctx_get(cpu, ctx); // While the lock keeps the area on the context. The sleeper's own from now on.
  setUffdWaiterField(cpu, me, UW_EVENT, UFFD_EVENT_PAGEFAULT);
  setUffdWaiterField(cpu, me, UW_VPN, vmf.vpn);
  setUffdWaiterField(cpu, me, UW_ARGUMENT, reason);
  setUffdWaiterField(cpu, me, UW_FLAGS, messageFlags(vmf, reason));
  setUffdWaiterField(cpu, me, UW_PAGES, 1);
  spin_lock(cpu, lock);
  addUffdWaiter(cpu, uffdPendingList(m, ctx), me);
  set_current_state(cpu, userfaultfd_get_blocking_state(vmf.flags)); // Before the look at the tables. Pairs with: wake_userfault().
  spin_unlock(cpu, lock);
  at(cpu, USERFAULT_QUEUED);
  const mustWait = userfaultfd_must_wait(cpu, vmf, reason);
  release_fault_lock(cpu, vmf);
  if (mustWait && !uffdReleased(cpu, ctx)) {
    wakeUffdReaders(cpu, ctx);
    at(cpu, USERFAULT_BEFORE_SCHEDULE);
    schedule(cpu, WAIT_USERFAULT, lock); // Once: whatever woke us, the fault starts over.
  }
  __set_current_state_running(cpu);
  spin_lock(cpu, lock);
  if (uffdWaiterList(cpu, me) !== 0) removeUffdWaiter(cpu, me); // Nobody has answered: a signal, or nothing to wait for.
  spin_unlock(cpu, lock);
  userfaultfd_ctx_put(cpu, ctx);
}

function messageFlags(vmf: VmFault, reason: UserfaultReason): number {
  let flags = (vmf.flags & FAULT_FLAG_WRITE) !== 0 ? UFFD_PAGEFAULT_FLAG_WRITE : 0;
  if (reason === VM_UFFD_WP) flags |= UFFD_PAGEFAULT_FLAG_WP;
  if (reason === VM_UFFD_MINOR) flags |= UFFD_PAGEFAULT_FLAG_MINOR;
  return flags;
}

/** How the task sleeps: any signal ends it, a fatal one, or none. */
function userfaultfd_get_blocking_state(flags: number): number {
  if ((flags & FAULT_FLAG_INTERRUPTIBLE) !== 0) return TASK_INTERRUPTIBLE;
  return (flags & FAULT_FLAG_KILLABLE) !== 0 ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE;
}

/**
 * Does the reason to wait still hold? A look without the page-table lock: an answer that comes after it finds the task in the queue.
 * @locks in: the fault lock, which keeps the tables
 */
function userfaultfd_must_wait(cpu: Cpu, vmf: VmFault, reason: UserfaultReason): boolean {
  const m = cpu.memory;
  const table = findPteTable(cpu, vm_mm(m, liveVma(vmf)), vmf.vpn);
  if (table === NO_TABLE) return true;
  const pte = atomic_read(cpu, pteWord(m, table, vmf.vpn)) as Pte; // Pairs with: set_pte_at() of the answer, before it looks for waiters.
  if (pte_none(pte) || is_pte_marker(pte)) return true;
  return reason === VM_UFFD_WP && !pte_write(pte);
}

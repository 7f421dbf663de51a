/**
 * Changes of an address space that its handler is told of: fork, mremap, MADV_DONTNEED, munmap. The task that changes waits, without any lock,
 * until the handler has read the event; from the beginning of the change until then the handler's answers are refused.
 *
 *   changing CPU                              handler's CPU
 *   1 a change is under way, mmap_lock held
 *                                             2 answers an older fault: EAGAIN  <- decides: it must read first
 *   3 changes, drops mmap_lock, queues, sleeps
 *                                             4 reads the event: wakes 3
 *   5 the change is over
 *                                             6 answers again, knowing what has changed
 *
 * @kernel fs/userfaultfd.c userfaultfd_event_wait_completion(), dup_userfaultfd(), dup_userfaultfd_complete(), mremap_userfaultfd_prep(),
 *   mremap_userfaultfd_complete(), userfaultfd_remove(), userfaultfd_unmap_prep(), userfaultfd_unmap_complete()
 * @fidelity faithful; what has begun is a list of this thread, not of the kernel's heap
 * Next: syscalls/userfaultfd_read.ts
 */
import type { MmId, UffdId, VmaId, Vpn } from '../base/brand.ts';
import { NO_UFFD, NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { WAIT_USERFAULT } from '../memory/percpu.ts';
import { mas_find, mt_next } from '../mm/maple_tree.ts';
import { mmget_not_zero, mmTree } from '../mm/mm_struct.ts';
import { mmap_read_unlock, mmap_write_lock, mmap_write_unlock } from '../mm/mmap_lock.ts';
import {
  allocUserfaultfd,
  beginMmapChanging,
  endMmapChanging,
  UFFD_FEATURE_EVENT_FORK,
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  uffdEventList,
  uffdFeatures,
  uffdLockWord,
  uffdReaderList,
  uffdReleased,
  userfaultfd_ctx_get,
  userfaultfd_ctx_put,
  wakeUffdList,
} from '../mm/userfaultfd_ctx.ts';
import { userfaultfd_reset_ctx } from '../mm/userfaultfd_k.ts';
import {
  addUffdWaiter,
  removeUffdWaiter,
  setUffdWaiterField,
  UFFD_EVENT_FORK,
  UFFD_EVENT_REMAP,
  UFFD_EVENT_REMOVE,
  UFFD_EVENT_UNMAP,
  UW_ARGUMENT,
  UW_EVENT,
  UW_FLAGS,
  UW_PAGES,
  UW_VPN,
  uffdWaiterField,
  uffdWaiterList,
} from '../mm/userfaultfd_wait.ts';
import { set_vm_userfaultfd_ctx, vm_end, vm_mm, vm_start, vm_userfaultfd_ctx } from '../mm/vm_area_struct.ts';
import { __set_current_state_running, fatal_signal_pending, schedule, set_current_state, TASK_KILLABLE } from '../sched/task.ts';
import { mmput } from './exit_mmap.ts';

/** A change that has begun, with a reference on the context. */
interface Begun {
  readonly ctx: UffdId;
  readonly event: number;
  readonly vpn: number;
  readonly pages: number;
  /** FORK: the child's context. */
  readonly argument: number;
}
/** Changes that a system call has begun and whose events it delivers once it holds no lock any more. */
export type UserfaultEvents = Begun[];

const wants = (cpu: Cpu, ctx: UffdId, feature: number): boolean => ctx !== NO_UFFD && (uffdFeatures(cpu.memory, ctx) & feature) !== 0;

/** @locks in: mmap_lock of the area that keeps the context */
function begin(cpu: Cpu, begun: Begun): Begun {
  userfaultfd_ctx_get(cpu, begun.ctx);
  beginMmapChanging(cpu, begun.ctx);
  return begun;
}

/** Delivers what has begun, one after the other. @locks in: none. Sleeps until each is read, the context is closed, or a fatal signal comes */
export function userfaultfdComplete(cpu: Cpu, events: UserfaultEvents): void {
  for (const event of events) userfaultfd_event_wait_completion(cpu, event);
  events.length = 0;
}

function userfaultfd_event_wait_completion(cpu: Cpu, { ctx, event, vpn, pages, argument }: Begun): void {
  const m = cpu.memory;
  const lock = uffdLockWord(m, ctx);
  const me = cpu.id + 1;
  setUffdWaiterField(cpu, me, UW_EVENT, event);
  setUffdWaiterField(cpu, me, UW_VPN, vpn);
  setUffdWaiterField(cpu, me, UW_FLAGS, 0);
  setUffdWaiterField(cpu, me, UW_PAGES, pages);
  setUffdWaiterField(cpu, me, UW_ARGUMENT, argument);
  spin_lock(cpu, lock);
  addUffdWaiter(cpu, uffdEventList(m, ctx), me);
  for (;;) {
    set_current_state(cpu, TASK_KILLABLE); // Before the looks. Pairs with: takeMessage(), userfaultfd_release(), send_signal().
    if (uffdWaiterField(cpu, me, UW_EVENT) === 0) break;
    if (uffdReleased(cpu, ctx) || fatal_signal_pending(cpu)) break;
    wakeUffdList(cpu, uffdReaderList(m, ctx));
    spin_unlock(cpu, lock);
    schedule(cpu, WAIT_USERFAULT, lock);
    spin_lock(cpu, lock);
  }
  __set_current_state_running(cpu);
  const unread = uffdWaiterList(cpu, me) !== 0;
  if (unread) removeUffdWaiter(cpu, me);
  spin_unlock(cpu, lock);
  if (unread && event === UFFD_EVENT_FORK) dropChildContext(cpu, argument as UffdId, vpn as MmId);
  endMmapChanging(cpu, ctx);
  userfaultfd_ctx_put(cpu, ctx);
}

/** Nobody will ever handle the child's faults: its areas are registered no more. @locks takes the child's mmap_lock for writing */
function dropChildContext(cpu: Cpu, ctx: UffdId, mm: MmId): void {
  const m = cpu.memory;
  if (mmget_not_zero(cpu, mm)) {
    const tree = mmTree(m, mm);
    mmap_write_lock(cpu, mm);
    for (let vma: VmaId = mas_find(cpu, tree, 0 as Vpn); vma !== NO_VMA; vma = mt_next(cpu, tree, vm_end(m, vma)))
      if (vm_userfaultfd_ctx(m, vma) === ctx) userfaultfd_reset_ctx(cpu, vma);
    mmap_write_unlock(cpu, mm);
    mmput(cpu, mm);
  }
  userfaultfd_ctx_put(cpu, ctx);
}

// --- fork ----------------------------------------------------------------------------------------------------------------------------------

/**
 * The child's copy of a registered area: with a context of its own if the handler wants to know of forks, else registered no more.
 * @locks in: mmap write on both, VMA write on the copy. @returns 0 or ENOMEM
 */
export function dup_userfaultfd(cpu: Cpu, copy: VmaId, child: MmId, events: UserfaultEvents): number {
  const m = cpu.memory;
  const parents = vm_userfaultfd_ctx(m, copy);
  if (parents === NO_UFFD) return 0;
  if (!wants(cpu, parents, UFFD_FEATURE_EVENT_FORK)) {
    userfaultfd_reset_ctx(cpu, copy);
    return 0;
  }
  let begun = events.find(({ ctx }) => ctx === parents);
  if (begun === undefined) {
    const fresh = allocUserfaultfd(cpu, child, uffdFeatures(m, parents));
    if (fresh === NO_UFFD) return ENOMEM;
    begun = begin(cpu, { ctx: parents, event: UFFD_EVENT_FORK, vpn: child, pages: 0, argument: fresh });
    events.push(begun);
  }
  set_vm_userfaultfd_ctx(m, copy, begun.argument as UffdId);
  return 0;
}

/** fork failed: the changes are over, and the child's contexts go, whose areas are about to go. @locks in: none @kernel dup_userfaultfd_fail() */
export function dup_userfaultfd_fail(cpu: Cpu, events: UserfaultEvents): void {
  for (const { ctx, argument } of events) {
    endMmapChanging(cpu, ctx);
    userfaultfd_ctx_put(cpu, ctx);
    userfaultfd_ctx_put(cpu, argument as UffdId);
  }
  events.length = 0;
}

// --- mremap, munmap, MADV_DONTNEED -----------------------------------------------------------------------------------------------------------

/**
 * An area has got a new place: it stays registered there if the handler wants to know of moves, else not.
 * @locks in: mmap write. out: VMA write on it, in the second case
 */
export function mremap_userfaultfd_prep(cpu: Cpu, vma: VmaId, from: number, to: number, pages: number, events: UserfaultEvents): void {
  const ctx = vm_userfaultfd_ctx(cpu.memory, vma);
  if (ctx === NO_UFFD) return;
  if (wants(cpu, ctx, UFFD_FEATURE_EVENT_REMAP)) events.push(begin(cpu, { ctx, event: UFFD_EVENT_REMAP, vpn: from, pages, argument: to }));
  else userfaultfd_reset_ctx(cpu, vma);
}

/** An area is about to be unmapped, whole. @locks in: mmap write */
export function userfaultfd_unmap_prep(cpu: Cpu, vma: VmaId, events: UserfaultEvents): void {
  const m = cpu.memory;
  const ctx = vm_userfaultfd_ctx(m, vma);
  if (!wants(cpu, ctx, UFFD_FEATURE_EVENT_UNMAP)) return;
  const vpn = vm_start(m, vma);
  events.push(begin(cpu, { ctx, event: UFFD_EVENT_UNMAP, vpn, pages: vm_end(m, vma) - vpn, argument: 0 }));
}

/**
 * Pages of an area are about to be thrown away: if its handler wants to know, it is told first, and mmap_lock is dropped for that.
 * @locks in: mmap read. out: mmap read with true; nothing with false, and the area may be gone. Sleeps
 */
export function userfaultfd_remove(cpu: Cpu, vma: VmaId, start: number, end: number): boolean {
  const ctx = vm_userfaultfd_ctx(cpu.memory, vma);
  if (!wants(cpu, ctx, UFFD_FEATURE_EVENT_REMOVE)) return true;
  const begun = begin(cpu, { ctx, event: UFFD_EVENT_REMOVE, vpn: start, pages: end - start, argument: 0 });
  mmap_read_unlock(cpu, vm_mm(cpu.memory, vma));
  userfaultfdComplete(cpu, [begun]);
  return false;
}

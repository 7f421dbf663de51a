/**
 * The folio lock, wrong on purpose: one double for each known bug of this protocol (B33, B51), so that the tests can be seen to fail.
 * A wait of a double ends also by SIGKILL, because it might never end otherwise. Those that take the lock give it back at once.
 */
import type { Pfn } from '@faultlab/core/base/brand';
import { EINTR } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { isQueued, removeWaiter, waiterWord } from '@faultlab/core/locking/wait_list';
import { atomic_read } from '@faultlab/core/memory/atomic';
import { WAIT_FOLIO } from '@faultlab/core/memory/percpu';
import { folioClear, folioFlagsWord, folioSet, PG_locked, PG_uptodate, PG_waiters } from '@faultlab/core/mm/folio';
import { folio_unlock } from '@faultlab/core/mm/folio_lock';
import {
  enterQueue,
  folio_wake_bit,
  folioWaitHead,
  folioWaitList,
  queueUnlessFree,
  W_FLAGS,
  WQ_FLAG_CUSTOM,
  WQ_FLAG_DONE,
  WQ_FLAG_EXCLUSIVE,
  WQ_FLAG_WOKEN,
} from '@faultlab/core/mm/folio_wait';
import { fatal_signal_pending, schedule, set_current_state, TASK_KILLABLE, TASK_RUNNING } from '@faultlab/core/sched/task';

/** Others were faster as often as the double was willing to count. */
export const STARVED = -1000;

/** Sleeps until woken or killed, and leaves the queue. @returns the flags as they were BEFORE it left */
function sleepThenLeave(cpu: Cpu, pfn: Pfn): number {
  const me = cpu.id + 1;
  const head = folioWaitHead(cpu.memory, pfn);
  let flags = 0;
  for (;;) {
    set_current_state(cpu, TASK_KILLABLE);
    flags = atomic_read(cpu, waiterWord(cpu, me, W_FLAGS));
    if ((flags & WQ_FLAG_WOKEN) !== 0 || fatal_signal_pending(cpu)) break;
    schedule(cpu, WAIT_FOLIO, folioFlagsWord(cpu.memory, pfn));
  }
  set_current_state(cpu, TASK_RUNNING);
  spin_lock(cpu, head);
  if (isQueued(cpu, folioWaitList(head), me)) removeWaiter(cpu, folioWaitList(head), me);
  spin_unlock(cpu, head);
  return flags;
}

/** Gives back a lock that was taken without being registered. */
function giveBack(cpu: Cpu, pfn: Pfn): void {
  const before = folioClear(cpu, pfn, PG_locked);
  if ((before & PG_waiters) !== 0) folio_wake_bit(cpu, pfn, PG_locked);
}

/** B33a: tries again first and sets PG_waiters afterwards. @returns 0 or EINTR */
export function lockTryingFirst(cpu: Cpu, pfn: Pfn): number {
  const head = folioWaitHead(cpu.memory, pfn);
  spin_lock(cpu, head);
  const free = (folioSet(cpu, pfn, PG_locked) & PG_locked) === 0;
  folioSet(cpu, pfn, PG_waiters);
  if (!free) enterQueue(cpu, pfn, PG_locked, WQ_FLAG_EXCLUSIVE | WQ_FLAG_CUSTOM);
  spin_unlock(cpu, head);
  if (!free && (sleepThenLeave(cpu, pfn) & WQ_FLAG_DONE) === 0) return EINTR;
  giveBack(cpu, pfn);
  return 0;
}

/** B33b: clears PG_waiters after one wake-up, whoever else may wait. */
export function unlockForgettingWaiters(cpu: Cpu, pfn: Pfn): void {
  folio_unlock(cpu, pfn);
  folioClear(cpu, pfn, PG_waiters);
}

/** B33c: never asks to be handed the lock. @returns 0, or STARVED when others were faster 20 times */
export function lockNeverHanded(cpu: Cpu, pfn: Pfn): number {
  for (let round = 0; round < 20; round++) {
    if (!queueUnlessFree(cpu, pfn, PG_locked, WQ_FLAG_EXCLUSIVE)) {
      sleepThenLeave(cpu, pfn);
      if ((folioSet(cpu, pfn, PG_locked) & PG_locked) !== 0) continue;
    }
    giveBack(cpu, pfn);
    return 0;
  }
  return STARVED;
}

/** B33d: decides by the flags that it saw before it left the queue. @returns 0 or EINTR */
export function lockDecidingEarly(cpu: Cpu, pfn: Pfn): number {
  if (!queueUnlessFree(cpu, pfn, PG_locked, WQ_FLAG_EXCLUSIVE | WQ_FLAG_CUSTOM) && (sleepThenLeave(cpu, pfn) & WQ_FLAG_DONE) === 0)
    return EINTR;
  giveBack(cpu, pfn);
  return 0;
}

/** B51: the read of an I/O is over; unlocks first and says afterwards that the page is up to date. */
export function endReadUnlockingFirst(cpu: Cpu, pfn: Pfn): void {
  giveBack(cpu, pfn);
  folioSet(cpu, pfn, PG_uptodate);
}

/**
 * The queue of the reader/writer semaphore: who sleeps, who is woken, who may overtake whom.
 *
 * Readers are granted the lock by whoever wakes them; writers are only woken and take it themselves. So a woken writer can lose to a
 * spinner or a lone reader, until it has waited 4 ms: then it sets HANDOFF, and from there on nobody overtakes it.
 *
 *   waker                                      sleeping reader
 *   1 count += one bias per reader
 *   2 W_TASK of the reader = 0
 *                                              3 wakes by chance, W_TASK is 0: returns with the lock  <- decides: already counted
 *                                              4 up_read: count -= bias
 *   5 wake_up_process: finds it running
 *
 * Were 2 before 1, step 4 would take away a bias that is not there yet.
 *
 * @kernel kernel/locking/rwsem.c rwsem_down_read_slowpath(), rwsem_down_write_slowpath(), rwsem_mark_wake()
 * @fidelity reduced: wake-ups happen inside the wait_lock, not after it
 * Next: locking/rwsem_spin.ts
 */

import type { CpuId, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_fetch_add, atomic_fetch_and, atomic_fetch_or, atomic_read, atomic_set } from '../memory/atomic.ts';
import { WAIT_RWSEM_READ, WAIT_RWSEM_WRITE } from '../memory/percpu.ts';
import { MUTANT_B34B, MUTANT_B34C, MUTANT_B34D } from '../mutants/ids.ts';
import { __set_current_state_running, set_current_state, signal_pending_state, wake_up_process } from '../sched/task.ts';
import { MODE_READ, MODE_WRITE } from './held_locks.ts';
import type { LockClass } from './lock_class.ts';
import { lockContended } from './lock_stat.ts';
import { noteLockWait } from './lock_waits.ts';
import { ownerIsGone, rwsem_optimistic_spin } from './rwsem_spin.ts';
import {
  __rwsem_set_reader_owned,
  clear_nonspinnable,
  MAX_READERS_WAKEUP,
  RWSEM_FLAG_HANDOFF,
  RWSEM_FLAG_WAITERS,
  RWSEM_LOCK_MASK,
  RWSEM_READER_BIAS,
  RWSEM_READER_MASK,
  RWSEM_READER_OWNED,
  RWSEM_READER_SHIFT,
  RWSEM_WAIT_TIMEOUT_MS,
  RWSEM_WRITER_LOCKED,
  rwsem_set_owner,
  rwsem_set_reader_owned,
  SEM_COUNT,
  SEM_OWNER,
  SEM_WAIT_LIST,
  SEM_WAIT_LOCK,
  semWord,
} from './rwsem_word.ts';
import { spin_lock, spin_unlock } from './spinlock.ts';
import { ETIMEDOUT, isLate, scheduleUntil, type WaitRequest } from './timed_wait.ts';
import {
  appendSelf,
  firstWaiter,
  isSingular,
  NO_WAITER,
  nextWaiter,
  removeWaiter,
  setWaiterField,
  W_EXPIRED,
  W_HANDOFF,
  W_TASK,
  W_TYPE,
  waiterField,
  waiterWord,
} from './wait_list.ts';

/** Wake whoever is first. */
const RWSEM_WAKE_ANY = 0;
/** Wake readers only, if a reader is first. */
const RWSEM_WAKE_READERS = 1;
/** The same, by a caller that holds the lock for reading, so no writer can steal it meanwhile. */
const RWSEM_WAKE_READ_OWNED = 2;
type WakeType = typeof RWSEM_WAKE_ANY | typeof RWSEM_WAKE_READERS | typeof RWSEM_WAKE_READ_OWNED;

/** Queues this CPU. Under the wait_lock. @returns its entry */
function rwsem_add_waiter(cpu: Cpu, sem: Word, type: number): number {
  const me = appendSelf(cpu, semWord(sem, SEM_WAIT_LIST));
  setWaiterField(cpu, me, W_TYPE, type);
  setWaiterField(cpu, me, W_EXPIRED, 0);
  setWaiterField(cpu, me, W_HANDOFF, 0);
  atomic_set(cpu, waiterWord(cpu, me, W_TASK), me); // Alone: published to wakers by the wait_lock.
  return me;
}

/**
 * Wakes whoever the rules allow. Under the wait_lock, with a waiter in the queue.
 * A writer that is first is woken, in mode ANY only. A reader that is first brings all queued readers along, past the writers.
 */
function rwsem_mark_wake(cpu: Cpu, sem: Word, wake: WakeType): void {
  const first = firstWaiter(cpu, semWord(sem, SEM_WAIT_LIST));
  if (waiterField(cpu, first, W_TYPE) === MODE_WRITE) {
    if (wake === RWSEM_WAKE_ANY) wake_up_process(cpu, (first - 1) as CpuId);
    return;
  }
  const count = semWord(sem, SEM_COUNT);
  if (atomic_read(cpu, count) < 0) return; // Alone: the readers are close to overflowing; somebody who leaves will wake.
  if (wake !== RWSEM_WAKE_READ_OWNED && !claimForReaders(cpu, sem, first)) return;
  grantReaders(cpu, sem, wake === RWSEM_WAKE_READ_OWNED ? 0 : RWSEM_READER_BIAS);
}

/** Adds one bias, so that no writer can steal from now on; takes it back when one has. @returns whether the lock is the readers' */
function claimForReaders(cpu: Cpu, sem: Word, first: number): boolean {
  const count = semWord(sem, SEM_COUNT);
  const before = atomic_fetch_add(cpu, count, RWSEM_READER_BIAS); // Acquire. Pairs with: up_write().
  if ((before & RWSEM_WRITER_LOCKED) === 0) {
    __rwsem_set_reader_owned(cpu, sem, first);
    return true;
  }
  let adjustment = RWSEM_READER_BIAS;
  // The reader marks its own impatience, by its own clock; it sleeps, so its handoff bit is set here.
  if (waiterField(cpu, first, W_EXPIRED) !== 0) {
    if ((before & RWSEM_FLAG_HANDOFF) === 0) adjustment -= RWSEM_FLAG_HANDOFF;
    setWaiterField(cpu, first, W_HANDOFF, 1);
  }
  atomic_fetch_add(cpu, count, -adjustment); // Alone: undoes the claim.
  return false;
}

/** Gives the lock to all queued readers, of whom `claimed` is counted already. Under the wait_lock. */
function grantReaders(cpu: Cpu, sem: Word, claimed: number): void {
  const list = semWord(sem, SEM_WAIT_LIST);
  const count = semWord(sem, SEM_COUNT);
  let readers = 0;
  let writers = 0;
  for (let waiter = firstWaiter(cpu, list); waiter !== NO_WAITER; waiter = nextWaiter(cpu, waiter)) {
    if (waiterField(cpu, waiter, W_TYPE) === MODE_READ && readers < MAX_READERS_WAKEUP) readers++;
    else writers++;
  }
  let adjustment = readers * RWSEM_READER_BIAS - claimed;
  if (writers === 0) adjustment -= RWSEM_FLAG_WAITERS;
  // Alone: HANDOFF changes under the wait_lock only while waiters exist.
  if ((atomic_read(cpu, count) & RWSEM_FLAG_HANDOFF) !== 0) adjustment -= RWSEM_FLAG_HANDOFF;
  const late = cpu.mutant === MUTANT_B34D;
  if (adjustment !== 0 && !late) atomic_fetch_add(cpu, count, adjustment); // Pairs with: up_read() of the readers, which may follow at once.
  let waiter = firstWaiter(cpu, list);
  for (let granted = 0; granted < readers; ) {
    const next = nextWaiter(cpu, waiter); // Before the grant: afterwards the entry is the reader's again.
    if (waiterField(cpu, waiter, W_TYPE) === MODE_READ) {
      removeWaiter(cpu, list, waiter);
      atomic_set(cpu, waiterWord(cpu, waiter, W_TASK), 0); // Release. Pairs with: rwsem_down_read_slowpath(), its loop.
      wake_up_process(cpu, (waiter - 1) as CpuId);
      granted++;
    }
    waiter = next;
  }
  if (adjustment !== 0 && late) atomic_fetch_add(cpu, count, adjustment);
}

/** After a change of the count: wakes the first if it may get the lock. Under the wait_lock. */
function rwsem_cond_wake_waiter(cpu: Cpu, sem: Word, count: number): void {
  if ((count & RWSEM_WRITER_LOCKED) !== 0) return;
  if ((count & RWSEM_READER_MASK) !== 0) {
    rwsem_mark_wake(cpu, sem, RWSEM_WAKE_READERS);
    return;
  }
  clear_nonspinnable(cpu, sem);
  rwsem_mark_wake(cpu, sem, RWSEM_WAKE_ANY);
}

/** Leaves the queue without the lock. Under the wait_lock. Whoever is first now may be eligible, and nobody else would wake him. */
function rwsem_del_wake_waiter(cpu: Cpu, sem: Word, me: number): void {
  const list = semWord(sem, SEM_WAIT_LIST);
  const wasFirst = firstWaiter(cpu, list) === me;
  removeWaiter(cpu, list, me);
  if (firstWaiter(cpu, list) === NO_WAITER) {
    atomic_fetch_and(cpu, semWord(sem, SEM_COUNT), ~(RWSEM_FLAG_HANDOFF | RWSEM_FLAG_WAITERS)); // Alone: under the wait_lock.
  } else if (wasFirst && cpu.mutant !== MUTANT_B34C) {
    rwsem_mark_wake(cpu, sem, RWSEM_WAKE_ANY);
  }
}

/**
 * Takes a contended lock for reading. The caller's bias is in the count already; `request.count` is the sum that it saw.
 * @returns 0 with the lock, EINTR or ETIMEDOUT without
 */
export function rwsem_down_read_slowpath(cpu: Cpu, sem: Word, lockClass: LockClass, request: WaitRequest): number {
  const since = cpu.now();
  const stole = stealForReading(cpu, sem, request.count);
  const result = stole ? 0 : queueForReading(cpu, sem, request);
  lockContended(cpu, lockClass, MODE_READ, since);
  noteLockWait(cpu, lockClass, MODE_READ, sem, since);
  return result;
}

/** A lone reader may take a lock that nobody holds although others are queued; it brings the queued readers along. */
function stealForReading(cpu: Cpu, sem: Word, count: number): boolean {
  const readers = count >>> RWSEM_READER_SHIFT;
  // Alone: a hint. Readers that go on joining readers would starve a sleeping writer.
  const readerOwned = (atomic_read(cpu, semWord(sem, SEM_OWNER)) & RWSEM_READER_OWNED) !== 0;
  if (readerOwned && readers > 1 && (count & RWSEM_WRITER_LOCKED) === 0) return false;
  if ((count & (RWSEM_WRITER_LOCKED | RWSEM_FLAG_HANDOFF)) !== 0) return false;
  rwsem_set_reader_owned(cpu, sem);
  if (readers === 1 && (count & RWSEM_FLAG_WAITERS) !== 0) wakeUnderLock(cpu, sem, RWSEM_WAKE_READ_OWNED);
  return true;
}

function queueForReading(cpu: Cpu, sem: Word, request: WaitRequest): number {
  const waitLock = semWord(sem, SEM_WAIT_LOCK);
  const count = semWord(sem, SEM_COUNT);
  let adjustment = -RWSEM_READER_BIAS;
  spin_lock(cpu, waitLock);
  if (firstWaiter(cpu, semWord(sem, SEM_WAIT_LIST)) === NO_WAITER) {
    // The queue has emptied meanwhile: without a writer the bias that is in the count is the lock. Acquire. Pairs with: up_write().
    if ((atomic_read(cpu, count) & RWSEM_WRITER_LOCKED) === 0) {
      spin_unlock(cpu, waitLock);
      rwsem_set_reader_owned(cpu, sem);
      return 0;
    }
    adjustment += RWSEM_FLAG_WAITERS;
  }
  const me = rwsem_add_waiter(cpu, sem, MODE_READ);
  const after = atomic_fetch_add(cpu, count, adjustment) + adjustment; // Pairs with: up_write(), up_read(): they see the waiter, or we see them gone.
  rwsem_cond_wake_waiter(cpu, sem, after);
  spin_unlock(cpu, waitLock);
  return sleepForGrant(cpu, sem, me, request);
}

/** Sleeps until a waker has granted the lock, or a fatal signal or the deadline comes before that. */
function sleepForGrant(cpu: Cpu, sem: Word, me: number, { state, deadlineMs }: WaitRequest): number {
  const task = waiterWord(cpu, me, W_TASK);
  let impatientAt = cpu.now() + RWSEM_WAIT_TIMEOUT_MS;
  for (;;) {
    set_current_state(cpu, state);
    if (atomic_read(cpu, task) === 0) break; // Acquire. Pairs with: grantReaders().
    if (signal_pending_state(cpu, state)) return leaveUnlessGranted(cpu, sem, me, EINTR);
    if (isLate(cpu, deadlineMs)) return leaveUnlessGranted(cpu, sem, me, ETIMEDOUT);
    if (cpu.now() >= impatientAt) {
      setWaiterField(cpu, me, W_EXPIRED, 1); // A hint to claimForReaders().
      impatientAt = Number.POSITIVE_INFINITY;
    }
    scheduleUntil(cpu, WAIT_RWSEM_READ, sem, Math.min(deadlineMs, impatientAt));
  }
  __set_current_state_running(cpu);
  return 0;
}

/** A reader gives up, unless it was granted the lock before it got the wait_lock: then it has the lock, signal or not. */
function leaveUnlessGranted(cpu: Cpu, sem: Word, me: number, reason: number): number {
  const waitLock = semWord(sem, SEM_WAIT_LOCK);
  __set_current_state_running(cpu);
  spin_lock(cpu, waitLock);
  const granted = atomic_read(cpu, waiterWord(cpu, me, W_TASK)) === 0; // Acquire. Pairs with: grantReaders().
  if (!granted) rwsem_del_wake_waiter(cpu, sem, me);
  spin_unlock(cpu, waitLock);
  return granted ? 0 : reason;
}

/** Takes a contended lock for writing. @returns 0 with the lock, EINTR or ETIMEDOUT without */
export function rwsem_down_write_slowpath(cpu: Cpu, sem: Word, lockClass: LockClass, request: WaitRequest): number {
  const since = cpu.now();
  const result = rwsem_optimistic_spin(cpu, sem) ? 0 : queueForWriting(cpu, sem, request);
  lockContended(cpu, lockClass, MODE_WRITE, since);
  noteLockWait(cpu, lockClass, MODE_WRITE, sem, since);
  return result;
}

function queueForWriting(cpu: Cpu, sem: Word, { state, deadlineMs }: WaitRequest): number {
  const waitLock = semWord(sem, SEM_WAIT_LOCK);
  const count = semWord(sem, SEM_COUNT);
  spin_lock(cpu, waitLock);
  const me = rwsem_add_waiter(cpu, sem, MODE_WRITE);
  if (firstWaiter(cpu, semWord(sem, SEM_WAIT_LIST)) === me) {
    atomic_fetch_or(cpu, count, RWSEM_FLAG_WAITERS); // Pairs with: up_write(), up_read(): they see the waiter, or we see them gone.
  } else {
    rwsem_cond_wake_waiter(cpu, sem, atomic_read(cpu, count)); // Alone: the try below decides for us.
  }
  const expiresAt = cpu.now() + RWSEM_WAIT_TIMEOUT_MS;
  set_current_state(cpu, state);
  while (!rwsem_try_write_lock(cpu, sem, me, cpu.now() >= expiresAt)) {
    const reason = signal_pending_state(cpu, state) ? EINTR : isLate(cpu, deadlineMs) ? ETIMEDOUT : 0;
    if (reason !== 0) {
      __set_current_state_running(cpu);
      rwsem_del_wake_waiter(cpu, sem, me);
      spin_unlock(cpu, waitLock);
      return reason;
    }
    spin_unlock(cpu, waitLock);
    // With the handoff bit set the lock will be ours: an owner that runs is worth waiting for.
    if (waiterField(cpu, me, W_HANDOFF) === 0 || !ownerIsGone(cpu, sem)) scheduleUntil(cpu, WAIT_RWSEM_WRITE, sem, deadlineMs);
    set_current_state(cpu, state);
    spin_lock(cpu, waitLock);
  }
  __set_current_state_running(cpu);
  spin_unlock(cpu, waitLock);
  return 0;
}

/** One try of a queued writer, under the wait_lock. Sets HANDOFF when the lock is busy and the waiter has waited too long. */
function rwsem_try_write_lock(cpu: Cpu, sem: Word, me: number, expired: boolean): boolean {
  const list = semWord(sem, SEM_WAIT_LIST);
  const word = semWord(sem, SEM_COUNT);
  const first = firstWaiter(cpu, list);
  let seen = atomic_read(cpu, word); // Alone: the exchange below checks it.
  for (;;) {
    const handoff = (seen & RWSEM_FLAG_HANDOFF) !== 0;
    // The bit counts only for the waiter that set it; when that one was killed, anybody may try.
    if (handoff && first !== me && waiterField(cpu, first, W_HANDOFF) !== 0) return false;
    let wanted: number;
    const believesItself = cpu.mutant === MUTANT_B34B && handoff && first === me;
    if ((seen & RWSEM_LOCK_MASK) !== 0 && !believesItself) {
      if (handoff || !expired) return false;
      wanted = seen | RWSEM_FLAG_HANDOFF;
    } else {
      wanted = (seen | RWSEM_WRITER_LOCKED) & ~RWSEM_FLAG_HANDOFF;
      if (isSingular(cpu, list)) wanted &= ~RWSEM_FLAG_WAITERS;
    }
    const before = atomic_cmpxchg(cpu, word, seen, wanted); // Acquire. Pairs with: up_write(), up_read().
    if (before === seen) {
      if ((wanted & RWSEM_FLAG_HANDOFF) !== 0) {
        setWaiterField(cpu, me, W_HANDOFF, 1);
        return false;
      }
      removeWaiter(cpu, list, me);
      rwsem_set_owner(cpu, sem);
      return true;
    }
    seen = before;
  }
}

/** The lock has become free and somebody is queued. @kernel rwsem_wake() */
export function rwsem_wake(cpu: Cpu, sem: Word): void {
  wakeUnderLock(cpu, sem, RWSEM_WAKE_ANY);
}

/** A writer has become a reader and somebody is queued: a writer at the head blocks the readers behind it. @kernel rwsem_downgrade_wake() */
export function rwsem_downgrade_wake(cpu: Cpu, sem: Word): void {
  wakeUnderLock(cpu, sem, RWSEM_WAKE_READ_OWNED);
}

function wakeUnderLock(cpu: Cpu, sem: Word, wake: WakeType): void {
  const waitLock = semWord(sem, SEM_WAIT_LOCK);
  spin_lock(cpu, waitLock);
  if (firstWaiter(cpu, semWord(sem, SEM_WAIT_LIST)) !== NO_WAITER) rwsem_mark_wake(cpu, sem, wake);
  spin_unlock(cpu, waitLock);
}

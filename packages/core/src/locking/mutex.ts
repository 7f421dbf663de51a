/**
 * A mutual-exclusion lock that sleeps: one owner word, a queue, a short spin on an owner that runs.
 *
 *   owner   (cpu + 1) << 3 of the owner, or 0
 *           bit 0 WAITERS   the queue is not empty: the unlock takes the slow path
 *           bit 1 HANDOFF   the first waiter has been passed by: the unlock gives the lock to him and to nobody else
 *           bit 2 PICKUP    given: only the CPU named in the word may take it
 *
 * @kernel kernel/locking/mutex.c
 * @fidelity reduced: no wound/wait; one spinner at a time, bounded; sequential consistency instead of acquire and release
 * Next: locking/completion.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_fetch_and, atomic_fetch_or, atomic_read } from '../memory/atomic.ts';
import { WAIT_MUTEX } from '../memory/percpu.ts';
import {
  __set_current_state_running,
  set_current_state,
  signal_pending_state,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
  wake_up_process,
} from '../sched/task.ts';
import { cpu_relax, owner_on_cpu, ownerLooks } from './cpu_relax.ts';
import { heldAcquire, heldMode, heldRelease, MODE_NONE, MODE_WRITE } from './held_locks.ts';
import { LOCK_MUTEX, type LockClass } from './lock_class.ts';
import { lockAcquired, lockContended } from './lock_stat.ts';
import { checkLockOrder } from './lockdep.ts';
import { osqTryLock, osqUnlock } from './rwsem_spin.ts';
import { spin_lock, spin_unlock } from './spinlock.ts';
import { ETIMEDOUT, isLate, scheduleUntil } from './timed_wait.ts';
import { appendSelf, firstWaiter, NO_WAITER, removeWaiter } from './wait_list.ts';

/** All zero is unlocked. */
export const MUTEX_WORDS = 8;
const OWNER = 0;
const WAIT_LOCK = 1;
const WAIT_LIST = 2;
const OSQ = 4;

const MUTEX_FLAG_WAITERS = 1;
const MUTEX_FLAG_HANDOFF = 2;
const MUTEX_FLAG_PICKUP = 4;
const MUTEX_FLAGS = 7;
const OWNER_SHIFT = 3;
const NO_DEADLINE: number = Number.POSITIVE_INFINITY;

const field = (lock: Word, offset: number): Word => (lock + offset) as Word;
const ownerName = (cpu: Cpu): number => (cpu.id + 1) << OWNER_SHIFT;

/** Takes the lock. May sleep, and not even a fatal signal ends the sleep. */
export function mutex_lock(cpu: Cpu, lock: Word, lockClass: LockClass = LOCK_MUTEX): void {
  lockMutex(cpu, lock, lockClass, TASK_UNINTERRUPTIBLE, NO_DEADLINE);
}

/** As mutex_lock, but a fatal signal ends the wait. @returns 0 with the lock, EINTR without */
export function mutex_lock_killable(cpu: Cpu, lock: Word, lockClass: LockClass = LOCK_MUTEX): number {
  return lockMutex(cpu, lock, lockClass, TASK_KILLABLE, NO_DEADLINE);
}

/** As mutex_lock_killable, until `deadlineMs` on this CPU's clock. @returns 0 with the lock, EINTR or ETIMEDOUT without */
export function mutexLockUntil(cpu: Cpu, lock: Word, lockClass: LockClass, deadlineMs: number): number {
  return lockMutex(cpu, lock, lockClass, TASK_KILLABLE, deadlineMs);
}

function lockMutex(cpu: Cpu, lock: Word, lockClass: LockClass, state: number, deadlineMs: number): number {
  if (cpu.verify) checkLockOrder(cpu, lockClass);
  const before = atomic_cmpxchg(cpu, lock, 0, ownerName(cpu)); // Acquire. Pairs with: mutex_unlock().
  if (before !== 0) {
    assert(heldMode(cpu, lock) === MODE_NONE, 'mutex_lock: this CPU holds the lock already');
    const since = cpu.now();
    const result = __mutex_trylock(cpu, lock) || mutex_optimistic_spin(cpu, lock) ? 0 : queueForMutex(cpu, lock, state, deadlineMs);
    lockContended(cpu, lockClass, MODE_WRITE, since);
    if (result !== 0) return result;
  }
  heldAcquire(cpu, lockClass, lock, MODE_WRITE);
  lockAcquired(cpu, lockClass, MODE_WRITE);
  return 0;
}

/** Takes the lock if nobody owns it, queued waiters or not. Never sleeps. @returns whether it did */
export function mutex_trylock(cpu: Cpu, lock: Word, lockClass: LockClass = LOCK_MUTEX): boolean {
  if (!__mutex_trylock(cpu, lock)) return false;
  heldAcquire(cpu, lockClass, lock, MODE_WRITE);
  lockAcquired(cpu, lockClass, MODE_WRITE);
  return true;
}

/** Releases the lock. Releasing what this CPU does not hold is an InvariantError. Never sleeps. */
export function mutex_unlock(cpu: Cpu, lock: Word): void {
  heldRelease(cpu, lock);
  const before = atomic_cmpxchg(cpu, lock, ownerName(cpu), 0); // Release. Pairs with: mutex_lock(), __mutex_trylock().
  if (before !== ownerName(cpu)) unlockContended(cpu, lock, before);
}

/** Does anybody own the lock? A hint. */
export function mutex_is_locked(cpu: Cpu, lock: Word): boolean {
  return (atomic_read(cpu, field(lock, OWNER)) & ~MUTEX_FLAGS) !== 0; // Alone: a hint.
}

function __mutex_trylock(cpu: Cpu, lock: Word): boolean {
  return __mutex_trylock_common(cpu, lock, false);
}

/**
 * Takes a lock that has no owner, or that was given to this CPU.
 * @param handoff the caller is the first waiter: when the lock is busy, demand it
 */
function __mutex_trylock_common(cpu: Cpu, lock: Word, handoff: boolean): boolean {
  const me = ownerName(cpu);
  let seen = atomic_read(cpu, lock); // Alone: the exchange below checks it.
  for (;;) {
    const owner = seen & ~MUTEX_FLAGS;
    let wanted = seen | me;
    if (owner === me && (seen & MUTEX_FLAG_PICKUP) !== 0) {
      wanted = seen & ~MUTEX_FLAG_PICKUP;
    } else if (owner !== 0) {
      if (!handoff || (seen & (MUTEX_FLAG_PICKUP | MUTEX_FLAG_HANDOFF)) !== 0) return false;
      wanted = seen | MUTEX_FLAG_HANDOFF;
    }
    const before = atomic_cmpxchg(cpu, lock, seen, wanted); // Acquire. Pairs with: mutex_unlock(), __mutex_handoff().
    if (before === seen) return (wanted & ~MUTEX_FLAGS) === me;
    seen = before;
  }
}

/** Watches an owner that runs, for a short while. @returns whether the lock was taken */
function mutex_optimistic_spin(cpu: Cpu, lock: Word): boolean {
  if (!cpu.spin || !osqTryLock(cpu, field(lock, OSQ))) return false;
  const taken = spinOnOwner(cpu, lock);
  osqUnlock(cpu, field(lock, OSQ));
  return taken;
}

/** @kernel mutex_spin_on_owner() */
function spinOnOwner(cpu: Cpu, lock: Word): boolean {
  for (let looks = ownerLooks(cpu); looks > 0; looks--) {
    const seen = atomic_read(cpu, lock); // Alone: a hint; the try decides.
    const owner = (seen >>> OWNER_SHIFT) - 1;
    if (owner < 0 || owner === cpu.id) {
      if (__mutex_trylock(cpu, lock)) return true;
    } else if (!owner_on_cpu(cpu, owner as CpuId)) {
      return false;
    }
    cpu_relax(cpu);
  }
  return false;
}

function queueForMutex(cpu: Cpu, lock: Word, state: number, deadlineMs: number): number {
  const waitLock = field(lock, WAIT_LOCK);
  const list = field(lock, WAIT_LIST);
  spin_lock(cpu, waitLock);
  if (__mutex_trylock(cpu, lock)) {
    spin_unlock(cpu, waitLock);
    return 0;
  }
  const me = appendSelf(cpu, list);
  if (firstWaiter(cpu, list) === me) atomic_fetch_or(cpu, lock, MUTEX_FLAG_WAITERS); // Pairs with: mutex_unlock(): it sees the flag, or we see it gone.
  let result = 0;
  set_current_state(cpu, state);
  while (!__mutex_trylock(cpu, lock)) {
    if (signal_pending_state(cpu, state)) result = EINTR;
    else if (isLate(cpu, deadlineMs)) result = ETIMEDOUT;
    if (result !== 0) break;
    spin_unlock(cpu, waitLock);
    scheduleUntil(cpu, WAIT_MUTEX, lock, deadlineMs);
    const first = (cpu.words[list] as number) === me; // A plain look is exact: once first, always first until this CPU leaves.
    set_current_state(cpu, state);
    const got = __mutex_trylock_common(cpu, lock, first) || (first && mutex_optimistic_spin(cpu, lock));
    spin_lock(cpu, waitLock);
    if (got) break;
  }
  __set_current_state_running(cpu);
  removeWaiter(cpu, list, me);
  if (firstWaiter(cpu, list) === NO_WAITER) atomic_fetch_and(cpu, lock, ~MUTEX_FLAGS); // Alone: flags of waiters change under the wait_lock.
  spin_unlock(cpu, waitLock);
  return result;
}

/** @kernel __mutex_unlock_slowpath() */
function unlockContended(cpu: Cpu, lock: Word, first: number): void {
  let seen = first;
  for (;;) {
    assert((seen & ~MUTEX_FLAGS) === ownerName(cpu), 'mutex_unlock: the word names another owner');
    assert((seen & MUTEX_FLAG_PICKUP) === 0, 'mutex_unlock: the lock was given away but not picked up');
    if ((seen & MUTEX_FLAG_HANDOFF) !== 0) break; // Given away below, never free in between.
    const before = atomic_cmpxchg(cpu, lock, seen, seen & MUTEX_FLAGS); // Release. Pairs with: __mutex_trylock_common().
    if (before === seen) {
      if ((seen & MUTEX_FLAG_WAITERS) === 0) return;
      break;
    }
    seen = before;
  }
  const waitLock = field(lock, WAIT_LOCK);
  spin_lock(cpu, waitLock);
  const next = firstWaiter(cpu, field(lock, WAIT_LIST));
  if ((seen & MUTEX_FLAG_HANDOFF) !== 0) __mutex_handoff(cpu, lock, next);
  if (next !== NO_WAITER) wake_up_process(cpu, (next - 1) as CpuId);
  spin_unlock(cpu, waitLock);
}

/** Names the next owner, who still has to pick the lock up. Under the wait_lock; the lock is ours. */
function __mutex_handoff(cpu: Cpu, lock: Word, next: number): void {
  let seen = atomic_read(cpu, lock); // Alone: the exchange below checks it.
  for (;;) {
    const given = next === NO_WAITER ? 0 : (next << OWNER_SHIFT) | MUTEX_FLAG_PICKUP;
    const before = atomic_cmpxchg(cpu, lock, seen, (seen & MUTEX_FLAG_WAITERS) | given); // Release. Pairs with: __mutex_trylock_common().
    if (before === seen) return;
    seen = before;
  }
}

/**
 * The reader/writer semaphore: mmap_lock, anon_vma locks, i_mmap locks. This file has the paths that nobody contends, the releases and
 * the downgrade; rwsem_slowpath.ts has the queue.
 *
 * A reader adds first and looks afterwards: one addition is the whole uncontended lock. When the sum shows a writer or a waiter, the
 * reader keeps its addition in the word until the slow path has decided, so the reader field is an upper bound of the owners.
 *
 * Usable on its own: any eight zero words of the arena are an unlocked semaphore.
 *
 * @kernel kernel/locking/rwsem.c
 * @fidelity reduced: the spin queue has one place, real-time tasks do not exist, sequential consistency instead of acquire and release
 * Next: locking/rwsem_slowpath.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_fetch_add, atomic_read } from '../memory/atomic.ts';
import { MUTANT_B47 } from '../mutants/ids.ts';
import { TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { heldAcquire, heldDowngrade, heldMode, heldRelease, MODE_NONE, MODE_READ, MODE_WRITE, releasedMode } from './held_locks.ts';
import { LOCK_USER, type LockClass } from './lock_class.ts';
import { lockAcquired } from './lock_stat.ts';
import { checkLockOrder } from './lockdep.ts';
import { rwsem_down_read_slowpath, rwsem_down_write_slowpath, rwsem_downgrade_wake, rwsem_wake } from './rwsem_slowpath.ts';
import {
  clear_nonspinnable,
  RWSEM_FLAG_WAITERS,
  RWSEM_LOCK_MASK,
  RWSEM_READ_FAILED_MASK,
  RWSEM_READER_BIAS,
  RWSEM_READER_MASK,
  RWSEM_WRITER_LOCKED,
  rwsem_clear_owner,
  rwsem_set_owner,
  rwsem_set_reader_owned,
  SEM_COUNT,
  SEM_WAIT_LIST,
  semWord,
} from './rwsem_word.ts';

export { RWSEM_WORDS } from './rwsem_word.ts';

// Copies: V8 folds a constant of this module into the machine code, an imported one it loads each time.
const READER_BIAS = RWSEM_READER_BIAS;
const READ_FAILED_MASK = RWSEM_READ_FAILED_MASK;
const READER_MASK = RWSEM_READER_MASK;
const LOCK_MASK = RWSEM_LOCK_MASK;
const FLAG_WAITERS = RWSEM_FLAG_WAITERS;
const WRITER_LOCKED = RWSEM_WRITER_LOCKED;
const READ = MODE_READ;
const WRITE = MODE_WRITE;
const COUNT = SEM_COUNT;

/** Never: the deadline of a wait without one. */
const NO_DEADLINE: number = Number.POSITIVE_INFINITY;

/** Takes the lock for reading. May sleep, and not even a fatal signal ends the sleep. */
export function down_read(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): void {
  downRead(cpu, sem, lockClass, TASK_UNINTERRUPTIBLE, NO_DEADLINE);
}

/** As down_read, but a fatal signal ends the wait. @returns 0 with the lock, EINTR without */
export function down_read_killable(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): number {
  return downRead(cpu, sem, lockClass, TASK_KILLABLE, NO_DEADLINE);
}

/** As down_read_killable, until `deadlineMs` on this CPU's clock. @returns 0 with the lock, EINTR or ETIMEDOUT without */
export function downReadUntil(cpu: Cpu, sem: Word, lockClass: LockClass, deadlineMs: number): number {
  return downRead(cpu, sem, lockClass, TASK_KILLABLE, deadlineMs);
}

function downRead(cpu: Cpu, sem: Word, lockClass: LockClass, state: number, deadlineMs: number): number {
  if (cpu.verify) {
    assertNotHeld(cpu, sem);
    checkLockOrder(cpu, lockClass);
  }
  // Acquire. Pairs with: up_write(), downgrade_write().
  const count = (atomic_fetch_add(cpu, semWord(sem, COUNT), READER_BIAS) + READER_BIAS) | 0;
  if ((count & READ_FAILED_MASK) === 0) {
    rwsem_set_reader_owned(cpu, sem);
  } else {
    assertNotHeld(cpu, sem);
    const result = rwsem_down_read_slowpath(cpu, sem, lockClass, { count, state, deadlineMs });
    if (result !== 0) return result;
  }
  heldAcquire(cpu, lockClass, sem, READ);
  lockAcquired(cpu, lockClass, READ);
  return 0;
}

/**
 * Takes the lock for reading if nobody holds it for writing and nobody is queued. Never sleeps.
 * It fails when a writer is merely waiting, although only readers hold the lock.
 * @returns whether it did
 */
export function down_read_trylock(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): boolean {
  const word = semWord(sem, COUNT);
  const refusing = cpu.mutant === MUTANT_B47 ? WRITER_LOCKED : READ_FAILED_MASK;
  let count = 0; // The guess that the lock is free saves a look.
  while ((count & refusing) === 0) {
    const before = atomic_cmpxchg(cpu, word, count, count + READER_BIAS); // Acquire. Pairs with: up_write(), downgrade_write().
    if (before === count) {
      if (cpu.verify) invariant((before & READ_FAILED_MASK) === 0, 'L04', 'a read trylock goes past one who waits');
      rwsem_set_reader_owned(cpu, sem);
      heldAcquire(cpu, lockClass, sem, READ);
      lockAcquired(cpu, lockClass, READ);
      return true;
    }
    count = before;
  }
  return false;
}

/** Releases a lock held for reading. Releasing what this CPU does not hold so is an InvariantError. Never sleeps. */
export function up_read(cpu: Cpu, sem: Word): void {
  const released = heldRelease(cpu, sem);
  assert(releasedMode(released) === READ, 'up_read: the lock is held for writing');
  // Release. Pairs with: rwsem_try_write_lock(), down_write(): what was read is read before a writer changes it.
  const before = atomic_fetch_add(cpu, semWord(sem, COUNT), -READER_BIAS);
  invariant((before & READER_MASK) !== 0, 'I02', 'up_read: the count shows no reader');
  const after = before - READER_BIAS;
  if ((after & (LOCK_MASK | FLAG_WAITERS)) !== FLAG_WAITERS) return;
  clear_nonspinnable(cpu, sem);
  rwsem_wake(cpu, sem);
}

/** Takes the lock for writing. May sleep, and not even a fatal signal ends the sleep. */
export function down_write(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): void {
  downWrite(cpu, sem, lockClass, TASK_UNINTERRUPTIBLE, NO_DEADLINE);
}

/** As down_write, but a fatal signal ends the wait. @returns 0 with the lock, EINTR without */
export function down_write_killable(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): number {
  return downWrite(cpu, sem, lockClass, TASK_KILLABLE, NO_DEADLINE);
}

/** As down_write_killable, until `deadlineMs` on this CPU's clock. @returns 0 with the lock, EINTR or ETIMEDOUT without */
export function downWriteUntil(cpu: Cpu, sem: Word, lockClass: LockClass, deadlineMs: number): number {
  return downWrite(cpu, sem, lockClass, TASK_KILLABLE, deadlineMs);
}

function downWrite(cpu: Cpu, sem: Word, lockClass: LockClass, state: number, deadlineMs: number): number {
  if (cpu.verify) checkLockOrder(cpu, lockClass);
  if (!takeFree(cpu, sem)) {
    assertNotHeld(cpu, sem);
    const result = rwsem_down_write_slowpath(cpu, sem, lockClass, { count: 0, state, deadlineMs });
    if (result !== 0) return result;
  }
  heldAcquire(cpu, lockClass, sem, WRITE);
  lockAcquired(cpu, lockClass, WRITE);
  return 0;
}

/** Takes the lock for writing if the word is zero: no owner and no waiter either. Never sleeps. @returns whether it did */
export function down_write_trylock(cpu: Cpu, sem: Word, lockClass: LockClass = LOCK_USER): boolean {
  if (!takeFree(cpu, sem)) return false;
  heldAcquire(cpu, lockClass, sem, WRITE);
  lockAcquired(cpu, lockClass, WRITE);
  return true;
}

/** @kernel rwsem_write_trylock() */
function takeFree(cpu: Cpu, sem: Word): boolean {
  const before = atomic_cmpxchg(cpu, semWord(sem, COUNT), 0, WRITER_LOCKED); // Acquire. Pairs with: up_write(), up_read().
  if (before !== 0) return false;
  rwsem_set_owner(cpu, sem);
  return true;
}

/** Releases a lock held for writing. Releasing what this CPU does not hold so is an InvariantError. Never sleeps. */
export function up_write(cpu: Cpu, sem: Word): void {
  const released = heldRelease(cpu, sem);
  assert(releasedMode(released) === WRITE, 'up_write: the lock is held for reading');
  rwsem_clear_owner(cpu, sem);
  // Release. Pairs with: down_read(), rwsem_try_write_lock().
  const before = atomic_fetch_add(cpu, semWord(sem, COUNT), -WRITER_LOCKED);
  invariant((before & WRITER_LOCKED) !== 0, 'I02', 'up_write: the count shows no writer');
  if ((before & FLAG_WAITERS) !== 0) rwsem_wake(cpu, sem);
}

/**
 * Turns a lock held for writing into one held for reading, with no instant in between in which another writer could own it.
 * Lets queued readers in, unless a writer is the first in the queue. Never sleeps.
 */
export function downgrade_write(cpu: Cpu, sem: Word): void {
  const lockClass = heldDowngrade(cpu, sem);
  lockAcquired(cpu, lockClass, READ);
  // Release: readers see what was written. Pairs with: down_read().
  const before = atomic_fetch_add(cpu, semWord(sem, COUNT), READER_BIAS - WRITER_LOCKED);
  invariant((before & WRITER_LOCKED) !== 0, 'I02', 'downgrade_write: the count shows no writer');
  rwsem_set_reader_owned(cpu, sem);
  if ((before & FLAG_WAITERS) !== 0) rwsem_downgrade_wake(cpu, sem);
}

/** Does anybody hold the lock, or claim it for an instant? A hint unless the caller holds it. */
export function rwsem_is_locked(cpu: Cpu, sem: Word): boolean {
  return (atomic_read(cpu, semWord(sem, COUNT)) & LOCK_MASK) !== 0; // Alone: a hint.
}

/** Is anybody queued? A hint. */
export function rwsem_is_contended(cpu: Cpu, sem: Word): boolean {
  return (cpu.words[semWord(sem, SEM_WAIT_LIST)] as number) !== 0;
}

/** @throws InvariantError I01 unless this CPU holds the lock for writing */
export function rwsem_assert_held_write(cpu: Cpu, sem: Word): void {
  invariant(heldMode(cpu, sem) === WRITE, 'I01', 'rwsem_assert_held_write: this CPU does not hold the lock for writing');
}

/** @throws InvariantError I01 unless this CPU holds the lock */
export function rwsem_assert_held(cpu: Cpu, sem: Word): void {
  invariant(heldMode(cpu, sem) !== MODE_NONE, 'I01', 'rwsem_assert_held: this CPU does not hold the lock');
}

/** Taking the lock again would deadlock, with a writer queued in between even for reading. */
function assertNotHeld(cpu: Cpu, sem: Word): void {
  assert(heldMode(cpu, sem) === MODE_NONE, 'rwsem: this CPU holds the lock already');
}

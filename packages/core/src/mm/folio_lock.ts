/**
 * The folio lock: one bit of the flags. It guards the contents and the identity of a page, and it is held while the page is read in; so
 * its owner is a task, or an I/O that some other CPU will finish.
 *
 *   flags   PG_locked            held
 *           PG_waiters           somebody waits for a bit of these flags: whoever clears the bit must go for the queue
 *
 * Clearing the bit and learning of waiters is one atomic step. So is unlocking and becoming up to date when a read has succeeded: whoever
 * finds the lock free and the page not up to date knows that the read failed, or that the page has left its file.
 * @kernel mm/filemap.c __folio_lock(), folio_unlock(), folio_end_read(); include/linux/pagemap.h folio_lock(), folio_trylock()
 * @fidelity faithful; who owns the lock is noted beside it, which the kernel does not do
 * Next: mm/folio_writeback.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldAcquire, heldRelease, MODE_WRITE } from '../locking/held_locks.ts';
import { LOCK_FOLIO } from '../locking/lock_class.ts';
import { lockAcquired } from '../locking/lock_stat.ts';
import { checkLockOrder } from '../locking/lockdep.ts';
import { atomic_fetch_add, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { MUTANT_B51 } from '../mutants/ids.ts';
import { TASK_KILLABLE, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { at, BETWEEN_UNLOCK_AND_WAKE } from '../trace/points.ts';
import {
  folio_flags,
  folioClear,
  folioFlagsWord,
  folioInitFlags,
  folioLockOwnerWord,
  folioSet,
  NO_FOLIO,
  PG_locked,
  PG_uptodate,
  PG_waiters,
} from './folio.ts';
import { EXCLUSIVE, folio_wait_bit, folio_wait_bit_common, folio_wait_bit_killable, folio_wake_bit } from './folio_wait.ts';

/** Owners of a folio lock, besides tasks, which are written as CPU + 1. */
export const OWNER_NONE = 0;
export const OWNER_IO = -1;

/** Who owns the lock, for reports and checks: CPU + 1, OWNER_IO or OWNER_NONE. A marked look: exact for the owner. */
export const folioLockOwner = (cpu: Cpu, pfn: Pfn): number => READ_ONCE(cpu, folioLockOwnerWord(cpu.memory, pfn));

const setOwner = (cpu: Cpu, pfn: Pfn, owner: number): void => {
  WRITE_ONCE(cpu, folioLockOwnerWord(cpu.memory, pfn), owner);
};

/** Is the folio locked, by anybody? */
export const folio_test_locked = (cpu: Cpu, pfn: Pfn): boolean => (folio_flags(cpu, pfn) & PG_locked) !== 0;

/** Takes the lock if it is free, past all who wait for it. Never sleeps. The caller has a reference. @returns whether it did */
export function folio_trylock(cpu: Cpu, pfn: Pfn): boolean {
  assert(pfn !== NO_FOLIO, 'folio_trylock: there is no such folio');
  const before = folioSet(cpu, pfn, PG_locked); // Acquire. Pairs with: folio_unlock(), folio_end_read().
  if ((before & PG_locked) !== 0) return false;
  lockTaken(cpu, pfn);
  return true;
}

/** Takes the lock. May sleep, and not even a fatal signal ends the sleep. The caller has a reference. */
export function folio_lock(cpu: Cpu, pfn: Pfn): void {
  lockFolio(cpu, pfn, TASK_UNINTERRUPTIBLE);
}

/** As folio_lock(), but a fatal signal ends the wait. @returns 0 with the lock, EINTR without */
export function folio_lock_killable(cpu: Cpu, pfn: Pfn): number {
  return lockFolio(cpu, pfn, TASK_KILLABLE);
}

/** @kernel __folio_lock(), __folio_lock_killable() */
function lockFolio(cpu: Cpu, pfn: Pfn, state: number): number {
  if (cpu.verify) checkLockOrder(cpu, LOCK_FOLIO);
  if (folio_trylock(cpu, pfn)) return 0;
  const result = folio_wait_bit_common(cpu, pfn, PG_locked, state, EXCLUSIVE);
  if (result === 0) lockTaken(cpu, pfn);
  return result;
}

/** Locks a fresh folio that nobody else can reach yet: a plain store. */
export function __folio_set_locked(cpu: Cpu, pfn: Pfn): void {
  const flags = folio_flags(cpu, pfn);
  invariant((flags & PG_locked) === 0, 'I20', '__folio_set_locked: somebody has locked the folio');
  folioInitFlags(cpu, pfn, flags | PG_locked);
  lockTaken(cpu, pfn);
}

/** Notes that the bit, which is set, is this task's. */
function lockTaken(cpu: Cpu, pfn: Pfn): void {
  setOwner(cpu, pfn, cpu.id + 1);
  heldAcquire(cpu, LOCK_FOLIO, folioFlagsWord(cpu.memory, pfn), MODE_WRITE);
  lockAcquired(cpu, LOCK_FOLIO, MODE_WRITE);
}

/** Notes that this task gives the lock away or up. */
function lockGivenUp(cpu: Cpu, pfn: Pfn, nextOwner: number): void {
  invariant(folioLockOwner(cpu, pfn) === cpu.id + 1, 'I20', 'folio lock: only its owner may release it, and this CPU is not');
  heldRelease(cpu, folioFlagsWord(cpu.memory, pfn));
  setOwner(cpu, pfn, nextOwner);
}

/** Releases the lock of this task and wakes waiters. Releasing what another task or an I/O owns is an InvariantError (I20). Never sleeps. */
export function folio_unlock(cpu: Cpu, pfn: Pfn): void {
  lockGivenUp(cpu, pfn, OWNER_NONE);
  // Release, and in the same step a look for waiters. Pairs with: folio_trylock(), queueUnlessFree().
  const before = folioClear(cpu, pfn, PG_locked);
  invariant((before & PG_locked) !== 0, 'I20', 'folio_unlock: somebody else has cleared the lock bit');
  if ((before & PG_waiters) !== 0) folio_wake_bit(cpu, pfn, PG_locked);
}

/**
 * The task that holds the lock leaves it to an I/O that is about to be submitted; from here on any CPU may finish the I/O, with
 * folio_end_read() or after folioLockFromIo(). Before the submission: the I/O may be over at once.
 */
export function folioLockToIo(cpu: Cpu, pfn: Pfn): void {
  lockGivenUp(cpu, pfn, OWNER_IO);
}

/** The CPU that finishes an I/O becomes the owner of the lock that the I/O had. For an end other than folio_end_read(). */
export function folioLockFromIo(cpu: Cpu, pfn: Pfn): void {
  invariant(folioLockOwner(cpu, pfn) === OWNER_IO, 'I20', 'folioLockFromIo: the lock does not belong to an I/O');
  lockTaken(cpu, pfn);
}

/**
 * A read into the folio is over: unlocks it, and in the same step makes it up to date if the read succeeded. The contents are written
 * before. The lock belongs to an I/O, or to this task, which then has read by itself. The caller has a reference of its own: once the folio is unlocked,
 * its file's does not keep it. Never sleeps.
 */
export function folio_end_read(cpu: Cpu, pfn: Pfn, success: boolean): void {
  const { memory } = cpu;
  if (folioLockOwner(cpu, pfn) === OWNER_IO) setOwner(cpu, pfn, OWNER_NONE);
  else lockGivenUp(cpu, pfn, OWNER_NONE);
  if (cpu.mutant === MUTANT_B51) {
    unlockThenUptodate(cpu, pfn, success);
    return;
  }
  // From locked to up to date: both bits are known, so one addition changes both and leaves the others.
  const change = success ? PG_uptodate - PG_locked : -PG_locked;
  // Release, and in the same step a look for waiters. Pairs with: folio_trylock(), queueUnlessFree(), every test for PG_uptodate.
  const before = atomic_fetch_add(cpu, folioFlagsWord(memory, pfn), change);
  invariant((before & PG_locked) !== 0, 'I20', 'folio_end_read: somebody else has cleared the lock bit');
  invariant((before & PG_uptodate) === 0 || !success, 'I19', 'folio_end_read: the folio was up to date before its read was over');
  at(cpu, BETWEEN_UNLOCK_AND_WAKE);
  if ((before & PG_waiters) !== 0) folio_wake_bit(cpu, pfn, PG_locked);
}

/** B51: for an instant the folio is neither locked nor up to date. */
function unlockThenUptodate(cpu: Cpu, pfn: Pfn, success: boolean): void {
  const before = folioClear(cpu, pfn, PG_locked);
  at(cpu, BETWEEN_UNLOCK_AND_WAKE);
  if (success) folioSet(cpu, pfn, PG_uptodate);
  if ((before & PG_waiters) !== 0) folio_wake_bit(cpu, pfn, PG_locked);
}

/**
 * Says that the contents are all there, by whoever holds the lock (or finishes the I/O that does) and writes before it unlocks: after the
 * unlock others would see a page that is neither locked nor up to date, and take it for a failed read (I19).
 */
export function folio_mark_uptodate(cpu: Cpu, pfn: Pfn): void {
  const owner = folioLockOwner(cpu, pfn);
  invariant(owner === cpu.id + 1 || owner === OWNER_IO, 'I19', 'folio_mark_uptodate: the folio is not locked (any more)');
  folioSet(cpu, pfn, PG_uptodate); // Release: the contents first. Pairs with: every test for PG_uptodate.
}

/** Waits until the folio is or was unlocked; it may be locked again by now. Uninterruptible. The caller has a reference. */
export function folio_wait_locked(cpu: Cpu, pfn: Pfn): void {
  if (folio_test_locked(cpu, pfn)) folio_wait_bit(cpu, pfn, PG_locked);
}

/** As folio_wait_locked(), but a fatal signal ends the wait. @returns 0 or EINTR */
export function folio_wait_locked_killable(cpu: Cpu, pfn: Pfn): number {
  return folio_test_locked(cpu, pfn) ? folio_wait_bit_killable(cpu, pfn, PG_locked) : 0;
}

/**
 * A lock held for a moment: a spin of bounded length, then short sleeps, because here the holder may have lost its processor to another
 * thread (a kernel switches preemption off; nobody can here).
 *
 *   word   0                 free
 *          cpu + 1           held
 *          cpu + 1 | bit 30  held, and somebody sleeps on the word: the unlock wakes one
 *
 * Whoever has slept takes the lock with bit 30 set, because others may sleep still; one wake-up too many is the price.
 * @kernel include/linux/spinlock.h, kernel/locking/qspinlock.c
 * @fidelity reduced: not queued, so not fair; preemption and interrupts do not exist
 * Next: locking/wait_list.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_read, atomic_xchg, READ_ONCE } from '../memory/atomic.ts';
import { beginWait, endWait, park, unpark } from '../memory/park.ts';
import { WAIT_SPINLOCK } from '../memory/percpu.ts';
import { cpu_relax, spinLooks } from './cpu_relax.ts';

/** All zero is unlocked. */
export const SPINLOCK_WORDS = 1;
/** Somebody sleeps on the word. */
export const SPINLOCK_SLEEPERS: number = 1 << 30;

/**
 * Takes the lock. May park the thread for a moment, but is no sleep in the kernel's sense: allowed in RCU read sections and under
 * other spinlocks. A relock by the holder is an InvariantError.
 */
export function spin_lock(cpu: Cpu, lock: Word): void {
  const before = atomic_cmpxchg(cpu, lock, 0, cpu.id + 1); // Acquire. Pairs with: spin_unlock().
  if (before !== 0) spin_lock_slowpath(cpu, lock, before);
  cpu.spinDepth++;
}

/** Takes the lock if it is free. @returns whether it did */
export function spin_trylock(cpu: Cpu, lock: Word): boolean {
  const before = atomic_cmpxchg(cpu, lock, 0, cpu.id + 1); // Acquire. Pairs with: spin_unlock().
  if (before !== 0) return false;
  cpu.spinDepth++;
  return true;
}

/** Releases the lock. Releasing what this CPU does not hold is an InvariantError. */
export function spin_unlock(cpu: Cpu, lock: Word): void {
  const me = cpu.id + 1;
  // A marked look is exact here: nobody but the holder writes the holder's number. Somebody who begins to sleep may add his bit meanwhile.
  assert((READ_ONCE(cpu, lock) & ~SPINLOCK_SLEEPERS) === me, 'spin_unlock: this CPU does not hold the lock');
  cpu.spinDepth--;
  const before = atomic_xchg(cpu, lock, 0); // Release. Pairs with: spin_lock(), spin_trylock().
  if (before !== me) unpark(cpu, lock, 1);
}

/** Does this CPU hold the lock? */
export function spin_is_held(cpu: Cpu, lock: Word): boolean {
  return (READ_ONCE(cpu, lock) & ~SPINLOCK_SLEEPERS) === cpu.id + 1;
}

/** Does anybody hold the lock? A hint. @kernel spin_is_locked() */
export function spin_is_locked(cpu: Cpu, lock: Word): boolean {
  return READ_ONCE(cpu, lock) !== 0;
}

/** @kernel queued_spin_lock_slowpath() */
function spin_lock_slowpath(cpu: Cpu, lock: Word, first: number): void {
  const me = cpu.id + 1;
  assert((first & ~SPINLOCK_SLEEPERS) !== me, 'spin_lock: this CPU holds the lock already');
  for (let looks = spinLooks(cpu); looks > 0; looks--) {
    cpu_relax(cpu);
    const free = atomic_read(cpu, lock) === 0; // Alone: a look; the exchange decides.
    if (free && atomic_cmpxchg(cpu, lock, 0, me) === 0) return; // Acquire. Pairs with: spin_unlock().
  }
  beginWait(cpu, WAIT_SPINLOCK, lock);
  while (!takeOrMark(cpu, lock)) {
    const seen = atomic_read(cpu, lock); // Pairs with: spin_unlock(), which clears the mark that the park expects.
    if ((seen & SPINLOCK_SLEEPERS) !== 0) park(cpu, lock, seen);
  }
  endWait(cpu);
}

/** Takes a free lock, with the sleepers' mark, or leaves the mark on a held one. @returns whether the lock is ours */
function takeOrMark(cpu: Cpu, lock: Word): boolean {
  const seen = atomic_read(cpu, lock); // Alone: the exchange below checks it.
  const mine = (cpu.id + 1) | SPINLOCK_SLEEPERS;
  const wanted = seen === 0 ? mine : seen | SPINLOCK_SLEEPERS;
  if (wanted === seen) return false;
  const before = atomic_cmpxchg(cpu, lock, seen, wanted); // Acquire when it was free. Pairs with: spin_unlock().
  return before === 0 && seen === 0;
}

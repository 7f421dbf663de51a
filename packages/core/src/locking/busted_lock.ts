/**
 * A lock that is wrong on purpose: it looks, and then it writes, without one indivisible operation. Two CPUs can both find it free.
 * It exists so that the tests and the canary scenario can prove that they notice.
 *
 *   CPU 0                      CPU 1
 *   1 reads 0: free
 *                              2 reads 0: free
 *   3 writes 1: mine
 *                              4 writes 2: mine too  <- the bug
 *
 * @kernel kernel/locking/locktorture.c (lock_busted)
 * @fidelity faithful: it does not work
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { beginWait, endWait, park } from '../memory/park.ts';
import { WAIT_SPINLOCK } from '../memory/percpu.ts';
import { cpu_relax, spinLooks } from './cpu_relax.ts';

export const BUSTED_LOCK_WORDS = 1;
/** Nobody wakes a waiter, so it looks again by itself. */
const POLL_MS = 1;
const DAWDLE_LOOKS = 32;

/** Does not take the lock, though it looks like it. */
export function busted_lock(cpu: Cpu, lock: Word): void {
  for (let looks = spinLooks(cpu); ; looks--) {
    const seen = atomic_read(cpu, lock); // Alone, and that is the bug: the store below does not check that this is still true.
    if (seen === 0) break;
    cpu_relax(cpu);
    if (looks > 0) continue;
    beginWait(cpu, WAIT_SPINLOCK, lock);
    park(cpu, lock, seen, POLL_MS);
    endWait(cpu);
  }
  // Dawdling between the look and the write: the window in which another CPU finds the lock free, too.
  for (let looks = 0; looks < DAWDLE_LOOKS; looks++) atomic_read(cpu, lock);
  atomic_set(cpu, lock, cpu.id + 1); // Pairs with nothing.
}

export function busted_unlock(cpu: Cpu, lock: Word): void {
  atomic_set(cpu, lock, 0); // Pairs with: busted_lock(), as far as that goes.
}

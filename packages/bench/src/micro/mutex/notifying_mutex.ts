/**
 * The mutex as it is often shown: two states, and a notify at every unlock, whether anybody waits or not. Kept to show what that costs:
 * Atomics.notify takes one lock for the whole process, so even locks that have nothing to do with each other meet there.
 */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_cmpxchg, atomic_xchg } from '@faultlab/core/memory/atomic';
import { park, unpark } from '@faultlab/core/memory/park';

export function notifyingLock(cpu: Cpu, lock: Word): void {
  while (atomic_cmpxchg(cpu, lock, 0, 1) !== 0) park(cpu, lock, 1); // Acquire. Pairs with: notifyingUnlock().
}

export function notifyingUnlock(cpu: Cpu, lock: Word): void {
  atomic_xchg(cpu, lock, 0); // Release. Pairs with: notifyingLock().
  unpark(cpu, lock, 1);
}

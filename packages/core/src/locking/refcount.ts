/**
 * Reference counts that notice misuse: going up from zero, going below zero and running over are broken models, not numbers.
 * `inc_not_zero` and its limited form are how a lockless reader pins an object that may be going away.
 * @kernel include/linux/refcount.h
 * @fidelity reduced: the kernel saturates and warns; here the machine stops
 * Next: locking/rcuwait.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_inc_not_zero_limited, atomic_read, atomic_set } from '../memory/atomic.ts';

export const REFCOUNT_MAX = 0x7fffffff;

export function refcount_read(cpu: Cpu, word: Word): number {
  return atomic_read(cpu, word); // Alone: a snapshot; the caller knows what keeps it from changing.
}

/** Sets the count of an object that nobody else can reach yet. A release: what was written before is visible to whoever pins it. */
export function refcount_set(cpu: Cpu, word: Word, value: number): void {
  assert(value >= 0, 'refcount_set: negative');
  atomic_set(cpu, word, value); // Release. Pairs with: refcount_inc_not_zero().
}

/** One more reference, by a holder of one. */
export function refcount_inc(cpu: Cpu, word: Word): void {
  refcount_add(cpu, word, 1);
}

/** More references, by a holder of one. */
export function refcount_add(cpu: Cpu, word: Word, count: number): void {
  const before = atomic_fetch_add(cpu, word, count); // Alone: the caller's own reference orders it.
  assert(before > 0, 'refcount_add: the object was dead already');
  assert(before <= REFCOUNT_MAX - count, 'refcount_add: saturated');
}

/** Pins an object unless it is dead. @returns whether it did */
export function refcount_inc_not_zero(cpu: Cpu, word: Word): boolean {
  const before = refcount_inc_not_zero_limited(cpu, word, REFCOUNT_MAX);
  assert(before !== REFCOUNT_MAX, 'refcount_inc_not_zero: saturated');
  return before !== 0;
}

/**
 * Pins an object unless it is dead or its count is at or above the limit; the count is untouched then.
 * @returns the value before: pinned means `0 < before < limit`. @kernel __refcount_inc_not_zero_limited_acquire()
 */
export function refcount_inc_not_zero_limited(cpu: Cpu, word: Word, limit: number): number {
  // Acquire: the object's fields are read after it is pinned. Pairs with: refcount_set(), refcount_sub_and_test().
  const before = atomic_inc_not_zero_limited(cpu, word, limit);
  assert(before >= 0, 'refcount_inc_not_zero_limited: the count is negative');
  return before;
}

/** Gives one reference back. @returns whether it was the last: the caller frees the object */
export function refcount_dec_and_test(cpu: Cpu, word: Word): boolean {
  return refcount_sub_and_test(cpu, word, 1);
}

/** Gives references back. @returns whether none is left */
export function refcount_sub_and_test(cpu: Cpu, word: Word, count: number): boolean {
  // Release, and acquire when it was the last: all uses happen before the object is freed. Pairs with itself on other CPUs.
  const before = atomic_fetch_add(cpu, word, -count);
  assert(before >= count, 'refcount_sub_and_test: underflow');
  return before === count;
}

/** Gives one reference back that is known not to be the last. */
export function refcount_dec(cpu: Cpu, word: Word): void {
  const last = refcount_sub_and_test(cpu, word, 1);
  assert(!last, 'refcount_dec: it was the last reference');
}

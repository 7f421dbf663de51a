/**
 * A queue of waiting CPUs, first come first served: two words (head, tail) in the lock, and the links in the waiters' per-CPU blocks.
 * A CPU waits for one thing at a time, so one entry per CPU is enough and nothing is allocated.
 * Everything here is plain loads and stores under the wait_lock of the lock that owns the list, but W_TASK, which the waker clears and
 * the waiter reads without it.
 * @kernel include/linux/list.h, struct rwsem_waiter
 * @fidelity reduced: a CPU's number plus one stands for the pointer to its entry
 * Next: locking/rwsem.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { PC_WAITER, percpuBase, WAITER_WORDS } from '../memory/percpu.ts';

/** CPU + 1 of the neighbours, 0 at the ends. */
const W_NEXT = 0;
const W_PREV = 1;
/** The list that the entry is in, or 0. */
const W_LIST = 2;
/** What the waiter wants: MODE_READ or MODE_WRITE. */
export const W_TYPE = 3;
/** Non-zero until a waker has granted what the waiter waits for. */
export const W_TASK = 4;
/** The waiter has waited long enough to demand the lock. */
export const W_EXPIRED = 5;
/** The waiter has set the lock's handoff bit. */
export const W_HANDOFF = 6;
assert(WAITER_WORDS > W_HANDOFF, 'wait_list: the fields do not fit the per-CPU entry');

/** "Nobody", and the end of a list. CPUs are written as number + 1. */
export const NO_WAITER = 0;

/** The word of a field of a waiter's entry. `waiter` is a CPU number plus one. */
export function waiterWord(cpu: Cpu, waiter: number, field: number): Word {
  return (percpuBase(cpu.memory.percpuAt, (waiter - 1) as CpuId) + PC_WAITER + field) as Word;
}

/** A plain field of a waiter. Under the wait_lock. */
export function waiterField(cpu: Cpu, waiter: number, field: number): number {
  return cpu.words[waiterWord(cpu, waiter, field)] as number;
}

export function setWaiterField(cpu: Cpu, waiter: number, field: number, value: number): void {
  cpu.words[waiterWord(cpu, waiter, field)] = value;
}

/** First waiter or NO_WAITER. `list` is the head word; the tail is the word after it. */
export function firstWaiter(cpu: Cpu, list: Word): number {
  return cpu.words[list] as number;
}

export function nextWaiter(cpu: Cpu, waiter: number): number {
  return waiterField(cpu, waiter, W_NEXT);
}

/** Exactly one waiter? @kernel list_is_singular() */
export function isSingular(cpu: Cpu, list: Word): boolean {
  return cpu.words[list] !== NO_WAITER && cpu.words[list] === cpu.words[list + 1];
}

/** Is that waiter in the list? */
export function isQueued(cpu: Cpu, list: Word, waiter: number): boolean {
  return waiterField(cpu, waiter, W_LIST) === list;
}

/** Appends this CPU's entry. @returns its number (CPU + 1). @kernel list_add_tail() */
export function appendSelf(cpu: Cpu, list: Word): number {
  const me = cpu.id + 1;
  const last = cpu.words[list + 1] as number;
  assert(waiterField(cpu, me, W_LIST) === 0, 'wait_list: this CPU waits for something already');
  setWaiterField(cpu, me, W_NEXT, NO_WAITER);
  setWaiterField(cpu, me, W_PREV, last);
  setWaiterField(cpu, me, W_LIST, list);
  if (last === NO_WAITER) cpu.words[list] = me;
  else setWaiterField(cpu, last, W_NEXT, me);
  cpu.words[list + 1] = me;
  return me;
}

/** Takes a waiter out of the list. @kernel list_del() */
export function removeWaiter(cpu: Cpu, list: Word, waiter: number): void {
  assert(isQueued(cpu, list, waiter), 'wait_list: the waiter is not in this list');
  const next = waiterField(cpu, waiter, W_NEXT);
  const previous = waiterField(cpu, waiter, W_PREV);
  if (previous === NO_WAITER) cpu.words[list] = next;
  else setWaiterField(cpu, previous, W_NEXT, next);
  if (next === NO_WAITER) cpu.words[list + 1] = previous;
  else setWaiterField(cpu, next, W_PREV, previous);
  setWaiterField(cpu, waiter, W_LIST, 0);
}

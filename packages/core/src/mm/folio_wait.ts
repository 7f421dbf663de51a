/**
 * Waiting for a bit of a folio's flags to clear: 256 queues that folios share by hash, a mark in the flags that says "somebody waits",
 * and a waker that serves the queue.
 *
 *   waiter                                            holder of the bit
 *   under the queue's spinlock:
 *   1 sets PG_waiters
 *                                                     2 clears the bit; the same step shows it PG_waiters
 *   3 tries once more: takes the bit, or sees it clear
 *     3 comes after 2  <- decides: the waiter is done and does not sleep
 *     3 comes before 2 <- decides: 2 sees the mark of 1 and goes for the queue
 *   4 fails: appends its entry, drops the spinlock
 *                                                     5 takes the spinlock, so after 4: finds the entry, wakes
 *
 * Steps 1 and 3 the other way round lose the wake-up: the bit clears between them, the holder sees no mark, and the waiter sleeps for ever.
 * A mark without a waiter is harmless: one empty walk removes it.
 *
 * An exclusive waiter wants the bit for itself. It is only woken, and others may be faster; when that has happened PAGE_LOCK_UNFAIRNESS
 * times it asks to be handed the bit (CUSTOM), and then the waker takes the bit in its name (DONE).
 * @kernel mm/filemap.c folio_wait_bit_common(), wake_page_function(), folio_wake_bit()
 * @fidelity reduced: no wait that drops the reference; an entry leaves the queue just before it is marked WOKEN, not
 *   just after; a waiter that was killed and woken at once tries for the bit (in the kernel it leaves, and the wake-up is lost)
 * Next: mm/folio_lock.ts
 */

import { assert, invariant } from '../base/assert.ts';
import type { CpuId, Pfn, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { MODE_READ, MODE_WRITE } from '../locking/held_locks.ts';
import { LOCK_FOLIO } from '../locking/lock_class.ts';
import { lockContended } from '../locking/lock_stat.ts';
import { noteIoSleep } from '../locking/lock_waits.ts';
import { checkLockOrder } from '../locking/lockdep.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import {
  appendSelf,
  firstWaiter,
  isQueued,
  NO_WAITER,
  nextWaiter,
  removeWaiter,
  setWaiterField,
  waiterField,
  waiterWord,
} from '../locking/wait_list.ts';
import { atomic_read, atomic_set, READ_ONCE } from '../memory/atomic.ts';
import { FOLIO_WAIT_QUEUES, RECORD_WORDS } from '../memory/layout.ts';
import { WAIT_FOLIO, WAITER_WORDS } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MUTANT_B33A, MUTANT_B33B, MUTANT_B33C, MUTANT_B33D } from '../mutants/ids.ts';
import {
  __set_current_state_running,
  schedule,
  set_current_state,
  signal_pending_state,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
  wake_up_process,
} from '../sched/task.ts';
import { at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import {
  folio_flags,
  folioClear,
  folioFlagsWord,
  folioLockOwnerWord,
  folioSet,
  NO_FOLIO,
  PG_locked,
  PG_waiters,
  PG_writeback,
} from './folio.ts';
import { lru_add_drain } from './folio_add_lru.ts';
import { countThrashing, isThrashing } from './thrashing.ts';

/** Words of a queue's head: a spinlock, then first and last waiter. */
const HEAD_LOCK = 0;
const HEAD_LIST = 1;
const HEAD_WORDS = RECORD_WORDS.folioWait;
assert(HEAD_LIST + 2 <= HEAD_WORDS, 'folio_wait: the head has another size in memory/layout.ts');

/** Words of a waiter's entry beyond the links of wait_list.ts. The waker writes the flags, the waiter reads them without the spinlock. */
export const W_FLAGS = 8;
const W_FOLIO = 9;
const W_BIT = 10;
assert(W_BIT < WAITER_WORDS, 'folio_wait: the fields do not fit the per-CPU entry');

/** The waiter wants the bit, not only to see it clear. */
export const WQ_FLAG_EXCLUSIVE = 0x01;
/** The waker has seen to this waiter and has taken it off the queue. Set last. */
export const WQ_FLAG_WOKEN = 0x02;
/** The waiter asks to be handed the bit. */
export const WQ_FLAG_CUSTOM = 0x04;
/** The bit is the waiter's. */
export const WQ_FLAG_DONE = 0x08;

/** Times that an exclusive waiter lets others be faster. @kernel sysctl_page_lock_unfairness */
export const PAGE_LOCK_UNFAIRNESS = 5;

/** What a waiter wants. @kernel enum behavior */
export const SHARED = 0;
export const EXCLUSIVE = 1;
export type WaitBehavior = typeof SHARED | typeof EXCLUSIVE;

/** Knuth's multiplier as the kernel writes it. @kernel GOLDEN_RATIO_32 */
const GOLDEN_RATIO_32 = 0x61c88647;
const HASH_SHIFT = 24;
assert(1 << (32 - HASH_SHIFT) === FOLIO_WAIT_QUEUES, 'folio_wait: the hash does not reach every queue');

/** The head of the queue that a folio shares with others: its spinlock. @kernel folio_waitqueue() */
export function folioWaitHead(m: SharedMemory, pfn: Pfn): Word {
  const queue = Math.imul(pfn, GOLDEN_RATIO_32) >>> HASH_SHIFT;
  return (m.folioWaitsAt + queue * HEAD_WORDS + HEAD_LOCK) as Word;
}

/** The list of a queue, given its head. */
export const folioWaitList = (head: Word): Word => (head + HEAD_LIST) as Word;

/** Waits until the bit is seen clear, or a waker says that it was. @locks none that spins; the caller keeps a reference to the folio */
export function folio_wait_bit(cpu: Cpu, pfn: Pfn, bit: number): void {
  folio_wait_bit_common(cpu, pfn, bit, TASK_UNINTERRUPTIBLE, SHARED);
}

/** As folio_wait_bit(), but a fatal signal ends the wait. @returns 0 or EINTR */
export function folio_wait_bit_killable(cpu: Cpu, pfn: Pfn, bit: number): number {
  return folio_wait_bit_common(cpu, pfn, bit, TASK_KILLABLE, SHARED);
}

/**
 * Waits for a bit of the flags. The caller has a reference to the folio, no spinlock and no RCU read section.
 * @param behavior SHARED: to see it clear. EXCLUSIVE: to set it.
 * @returns 0, or EINTR when a signal that `state` allows came first: then the bit is not the caller's
 */
export function folio_wait_bit_common(cpu: Cpu, pfn: Pfn, bit: number, state: number, behavior: WaitBehavior): number {
  assert(pfn !== NO_FOLIO, 'folio_wait_bit: there is no such folio');
  if (cpu.verify) checkLockOrder(cpu, LOCK_FOLIO);
  const owner = bit === PG_locked ? READ_ONCE(cpu, folioLockOwnerWord(cpu.memory, pfn)) : 0;
  invariant(owner !== cpu.id + 1, 'I20', 'folio_wait_bit: this CPU waits for its own folio lock');
  // A CPU has one task here. In the kernel the other tasks of the CPU push on what this one leaves behind.
  lru_add_drain(cpu);
  const thrashes = bit === PG_locked && isThrashing(cpu, pfn);
  const since = cpu.now();
  const result = behavior === EXCLUSIVE ? waitForBit(cpu, pfn, bit, state) : waitUntilClear(cpu, pfn, bit, state);
  lockContended(cpu, LOCK_FOLIO, behavior === EXCLUSIVE ? MODE_WRITE : MODE_READ, since);
  if (bit === PG_writeback || owner < 0) noteIoSleep(cpu, since); // Owners below 0 are no tasks: an I/O has the page.
  if (thrashes) countThrashing(cpu, since);
  return result;
}

/** One wake-up is enough, whatever has become of the bit since. */
function waitUntilClear(cpu: Cpu, pfn: Pfn, bit: number, state: number): number {
  if (queueUnlessFree(cpu, pfn, bit, 0)) return 0;
  const flags = sleepUntilWoken(cpu, pfn, state);
  return (flags & WQ_FLAG_WOKEN) !== 0 ? 0 : EINTR;
}

function waitForBit(cpu: Cpu, pfn: Pfn, bit: number, state: number): number {
  for (let unfairness = PAGE_LOCK_UNFAIRNESS; ; unfairness--) {
    invariant(unfairness >= 0, 'L05', 'a waiter for a folio lock was overtaken although it asked to be handed the lock');
    const wanted = unfairness > 0 || cpu.mutant === MUTANT_B33C ? WQ_FLAG_EXCLUSIVE : WQ_FLAG_EXCLUSIVE | WQ_FLAG_CUSTOM;
    if (queueUnlessFree(cpu, pfn, bit, wanted)) return 0;
    const flags = sleepUntilWoken(cpu, pfn, state);
    if (cpu.mutant === MUTANT_B33D && signal_pending_state(cpu, state)) return EINTR;
    if ((flags & WQ_FLAG_DONE) !== 0) return 0; // Handed over, also when a signal came at the same time.
    if ((flags & WQ_FLAG_WOKEN) === 0) return EINTR;
    // Woken, perhaps while a signal came: no other waiter was, so this one must try. If somebody was faster, he will wake the next.
    const before = folioSet(cpu, pfn, bit); // Acquire. Pairs with: the step that clears the bit.
    if ((before & bit) === 0) return 0;
  }
}

/**
 * The mark first, then one more try; only then the queue. Whoever must release a spinlock between queueing and sleeping calls this, and then
 * sleepUntilWoken(). @returns whether there is nothing to wait for (any more)
 */
export function queueUnlessFree(cpu: Cpu, pfn: Pfn, bit: number, wanted: number): boolean {
  const head = folioWaitHead(cpu.memory, pfn);
  spin_lock(cpu, head);
  if (cpu.mutant === MUTANT_B33A) return markAfterTry(cpu, pfn, bit, wanted, head);
  folioSet(cpu, pfn, PG_waiters); // Before the try. Pairs with: the step that clears the bit and learns of waiters.
  // Acquire on success. Pairs with: the step that clears the bit.
  const before = (wanted & WQ_FLAG_EXCLUSIVE) !== 0 ? folioSet(cpu, pfn, bit) : folio_flags(cpu, pfn);
  const free = (before & bit) === 0;
  if (!free) enterQueue(cpu, pfn, bit, wanted);
  spin_unlock(cpu, head);
  return free;
}

/** B33a: the try comes first, and the mark when it has failed. @locks in: the queue's spinlock. out: nothing */
function markAfterTry(cpu: Cpu, pfn: Pfn, bit: number, wanted: number, head: Word): boolean {
  const before = (wanted & WQ_FLAG_EXCLUSIVE) !== 0 ? folioSet(cpu, pfn, bit) : folio_flags(cpu, pfn);
  const free = (before & bit) === 0;
  at(cpu, BEFORE_FOLIO_LOCK);
  folioSet(cpu, pfn, PG_waiters);
  if (!free) enterQueue(cpu, pfn, bit, wanted);
  spin_unlock(cpu, head);
  return free;
}

/** Appends this CPU's entry. Under the queue's spinlock. */
export function enterQueue(cpu: Cpu, pfn: Pfn, bit: number, wanted: number): void {
  const me = cpu.id + 1;
  setWaiterField(cpu, me, W_FLAGS, wanted);
  setWaiterField(cpu, me, W_FOLIO, pfn);
  setWaiterField(cpu, me, W_BIT, bit);
  appendSelf(cpu, folioWaitList(folioWaitHead(cpu.memory, pfn)));
}

/** Sleeps until a waker or an allowed signal. @returns the final flags: the entry is off the queue, and nobody writes them any more */
export function sleepUntilWoken(cpu: Cpu, pfn: Pfn, state: number): number {
  const flagsWord = waiterWord(cpu, cpu.id + 1, W_FLAGS);
  for (;;) {
    set_current_state(cpu, state); // Before the look at the flags. Pairs with: wake_up_process() after the store of the flags.
    const flags = atomic_read(cpu, flagsWord); // Acquire. Pairs with: the release in wake_page_function().
    const woken = (flags & WQ_FLAG_WOKEN) !== 0;
    if (woken || signal_pending_state(cpu, state)) {
      __set_current_state_running(cpu);
      return woken ? flags : leaveQueue(cpu, pfn);
    }
    schedule(cpu, WAIT_FOLIO, folioFlagsWord(cpu.memory, pfn));
  }
}

/**
 * Takes the entry of a waiter that gives up off the queue. A waker may have been faster, so only now are the flags final.
 * The mark PG_waiters stays, even if this was the last waiter.
 * @kernel finish_wait()
 */
function leaveQueue(cpu: Cpu, pfn: Pfn): number {
  const me = cpu.id + 1;
  const head = folioWaitHead(cpu.memory, pfn);
  spin_lock(cpu, head);
  if (isQueued(cpu, folioWaitList(head), me)) removeWaiter(cpu, folioWaitList(head), me);
  const flags = waiterField(cpu, me, W_FLAGS);
  spin_unlock(cpu, head);
  return flags;
}

/**
 * Serves those who wait for a bit that has just been cleared: all shared waiters up to the first exclusive one, and that one.
 * Called by whoever cleared the bit and saw PG_waiters in the same step. Never sleeps.
 */
export function folio_wake_bit(cpu: Cpu, pfn: Pfn, bit: number): void {
  const head = folioWaitHead(cpu.memory, pfn);
  spin_lock(cpu, head);
  const matched = wakeMatching(cpu, folioWaitList(head), pfn, bit);
  // Waiters set the mark under this spinlock, so one that is not in the queue now sets it again. Waiters of other folios can keep it set
  // in vain: the next wake-up removes it.
  if (!matched || firstWaiter(cpu, folioWaitList(head)) === NO_WAITER || cpu.mutant === MUTANT_B33B) folioClear(cpu, pfn, PG_waiters);
  spin_unlock(cpu, head);
}

/** Walks the queue in order. @returns whether anybody in it waited for this folio, for any bit. @kernel __wake_up_locked_key() */
function wakeMatching(cpu: Cpu, list: Word, pfn: Pfn, bit: number): boolean {
  let matched = false;
  let waiter = firstWaiter(cpu, list);
  while (waiter !== NO_WAITER) {
    const next = nextWaiter(cpu, waiter);
    if (waiterField(cpu, waiter, W_FOLIO) === pfn) {
      matched = true;
      if (waiterField(cpu, waiter, W_BIT) === bit && !wake_page_function(cpu, list, waiter)) break;
    }
    waiter = next;
  }
  return matched;
}

/** Serves one waiter whose bit was cleared. @returns whether the walk goes on */
function wake_page_function(cpu: Cpu, list: Word, waiter: number): boolean {
  const pfn = waiterField(cpu, waiter, W_FOLIO) as Pfn;
  const bit = waiterField(cpu, waiter, W_BIT);
  let flags = waiterField(cpu, waiter, W_FLAGS);
  const exclusive = (flags & WQ_FLAG_EXCLUSIVE) !== 0;
  if (exclusive && (folio_flags(cpu, pfn) & bit) !== 0) return false; // Taken again: that owner will come here.
  if ((flags & WQ_FLAG_CUSTOM) !== 0) {
    const before = folioSet(cpu, pfn, bit); // In the waiter's name. Pairs with: the step that cleared the bit.
    if ((before & bit) !== 0) return false;
    flags |= WQ_FLAG_DONE;
  }
  removeWaiter(cpu, list, waiter);
  // Release, and the last touch: from here on the waiter may use its entry again. Pairs with: sleepUntilWoken().
  atomic_set(cpu, waiterWord(cpu, waiter, W_FLAGS), flags | WQ_FLAG_WOKEN);
  wake_up_process(cpu, (waiter - 1) as CpuId);
  return !exclusive;
}

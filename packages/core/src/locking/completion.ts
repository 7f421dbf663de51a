/**
 * "It is done": any number of CPUs wait for an event, each complete() lets one of them go, complete_all() lets everybody go for ever.
 * An event that comes before the waiter is not lost: it is counted.
 * @kernel kernel/sched/completion.c, kernel/sched/swait.c
 * @fidelity faithful, with one waiter per CPU
 * Next: locking/rcu.ts
 */
import type { CpuId, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { WAIT_COMPLETION } from '../memory/percpu.ts';
import {
  __set_current_state_running,
  set_current_state,
  signal_pending_state,
  TASK_KILLABLE,
  TASK_UNINTERRUPTIBLE,
  wake_up_process,
} from '../sched/task.ts';
import { spin_lock, spin_unlock } from './spinlock.ts';
import { isLate, scheduleUntil } from './timed_wait.ts';
import { appendSelf, firstWaiter, isQueued, NO_WAITER, removeWaiter } from './wait_list.ts';

/** All zero is "not done, nobody waits". */
export const COMPLETION_WORDS = 4;
const DONE = 0;
const WAIT_LOCK = 1;
const WAIT_LIST = 2;
/** Done for everybody. */
const DONE_FOR_ALL = 0x7fffffff;
const FOR_EVER: number = Number.POSITIVE_INFINITY;

const word = (completion: Word, field: number): Word => (completion + field) as Word;

/** Makes a completion usable whose words are not zero. Nobody may use it yet. */
export function init_completion(cpu: Cpu, completion: Word): void {
  cpu.words.fill(0, completion, completion + COMPLETION_WORDS);
}

/** Takes back "done". Nobody may wait. */
export function reinit_completion(cpu: Cpu, completion: Word): void {
  spin_lock(cpu, word(completion, WAIT_LOCK));
  cpu.words[completion + DONE] = 0;
  spin_unlock(cpu, word(completion, WAIT_LOCK));
}

/** Lets one waiter go, the one that waits longest, or the next that comes. Never sleeps. */
export function complete(cpu: Cpu, completion: Word): void {
  const lock = word(completion, WAIT_LOCK);
  spin_lock(cpu, lock);
  const done = cpu.words[completion + DONE] as number;
  if (done !== DONE_FOR_ALL) cpu.words[completion + DONE] = done + 1;
  swake_up_locked(cpu, completion);
  spin_unlock(cpu, lock);
}

/** Lets all waiters go, and all that come later, until reinit_completion. Never sleeps. */
export function complete_all(cpu: Cpu, completion: Word): void {
  const lock = word(completion, WAIT_LOCK);
  spin_lock(cpu, lock);
  cpu.words[completion + DONE] = DONE_FOR_ALL;
  while (swake_up_locked(cpu, completion));
  spin_unlock(cpu, lock);
}

/** Has an event come that nobody has taken? */
export function completion_done(cpu: Cpu, completion: Word): boolean {
  const lock = word(completion, WAIT_LOCK);
  spin_lock(cpu, lock);
  const done = (cpu.words[completion + DONE] as number) !== 0;
  spin_unlock(cpu, lock);
  return done;
}

/** Sleeps until done. */
export function wait_for_completion(cpu: Cpu, completion: Word): void {
  wait_for_common(cpu, completion, TASK_UNINTERRUPTIBLE, FOR_EVER);
}

/** Sleeps until done or killed. @returns 0 or EINTR */
export function wait_for_completion_killable(cpu: Cpu, completion: Word): number {
  return wait_for_common(cpu, completion, TASK_KILLABLE, FOR_EVER) === EINTR ? EINTR : 0;
}

/** Sleeps until done, at most `timeoutMs`. @returns milliseconds left, at least 1, when done; 0 when time ran out */
export function wait_for_completion_timeout(cpu: Cpu, completion: Word, timeoutMs: number): number {
  const deadlineMs = cpu.now() + timeoutMs;
  if (wait_for_common(cpu, completion, TASK_UNINTERRUPTIBLE, deadlineMs) !== 0) return 0;
  return Math.max(1, deadlineMs - cpu.now());
}

/** Wakes the first waiter and takes it off the queue. Under the wait_lock. @returns whether there was one */
function swake_up_locked(cpu: Cpu, completion: Word): boolean {
  const list = word(completion, WAIT_LIST);
  const first = firstWaiter(cpu, list);
  if (first === NO_WAITER) return false;
  removeWaiter(cpu, list, first);
  wake_up_process(cpu, (first - 1) as CpuId);
  return true;
}

const TIMED_OUT = 1;

/** @returns 0 with the event taken, EINTR, or TIMED_OUT */
function wait_for_common(cpu: Cpu, completion: Word, state: number, deadlineMs: number): number {
  const lock = word(completion, WAIT_LOCK);
  const list = word(completion, WAIT_LIST);
  const me = cpu.id + 1;
  let result = 0;
  spin_lock(cpu, lock);
  while ((cpu.words[completion + DONE] as number) === 0 && result === 0) {
    if (signal_pending_state(cpu, state)) result = EINTR;
    else if (isLate(cpu, deadlineMs)) result = TIMED_OUT;
    else {
      if (!isQueued(cpu, list, me)) appendSelf(cpu, list);
      set_current_state(cpu, state); // Before the unlock: a waker needs the lock, so it sees the state. Pairs with: swake_up_locked().
      spin_unlock(cpu, lock);
      scheduleUntil(cpu, WAIT_COMPLETION, completion, deadlineMs);
      spin_lock(cpu, lock);
    }
  }
  if (isQueued(cpu, list, me)) removeWaiter(cpu, list, me);
  const done = cpu.words[completion + DONE] as number;
  if (done !== 0) result = 0;
  if (done !== 0 && done !== DONE_FOR_ALL) cpu.words[completion + DONE] = done - 1;
  spin_unlock(cpu, lock);
  __set_current_state_running(cpu);
  return result;
}

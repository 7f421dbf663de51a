/**
 * Sleeping and waking, the kernel's way: a task announces its state, checks its condition, then gives up the CPU until somebody makes it
 * runnable. Because the state is announced before the check, a wake-up in between is not lost.
 *
 *   sleeper                                   waker
 *   1 set_current_state(UNINTERRUPTIBLE)
 *   2 condition? no                           3 condition = true
 *                                             4 wake_up_process: state was not RUNNING -> RUNNING, wake
 *   5 schedule(): state is RUNNING  <- decides: returns at once
 *
 * @kernel kernel/sched/core.c set_current_state(), schedule(), try_to_wake_up(); kernel/signal.c
 * @fidelity reduced: one task per CPU, so schedule() never runs anybody else; signals are a set of pending bits
 * Next: locking/rwsem.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_and, atomic_fetch_or, atomic_read, atomic_set, atomic_xchg } from '../memory/atomic.ts';
import { beginWait, endWait, parkUndisturbed, unpark } from '../memory/park.ts';
import { PC_SIGPENDING, PC_TASK_STATE, percpuBase } from '../memory/percpu.ts';
import { TRACE_SCHED_WAKING, TRACE_SLEEP } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { rcu_idle_enter, rcu_idle_exit } from './rcu_state.ts';

export const TASK_RUNNING = 0;
export const TASK_INTERRUPTIBLE = 1;
export const TASK_UNINTERRUPTIBLE = 2;
/** May be woken by a fatal signal although it is uninterruptible otherwise. */
export const TASK_WAKEKILL = 0x100;
export const TASK_KILLABLE: number = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;

export const SIGKILL = 9;
export const SIGUSR1 = 10;
const SIGKILL_BIT = 1 << (SIGKILL - 1);

/** The words of another CPU's block. */
export const cpuWord = (cpu: Cpu, target: CpuId, field: number): Word => (percpuBase(cpu.memory.percpuAt, target) + field) as Word;

/** Announces that this task is about to sleep. A full barrier. Pairs with: wake_up_process(). */
export function set_current_state(cpu: Cpu, state: number): void {
  atomic_set(cpu, (cpu.percpu + PC_TASK_STATE) as Word, state);
}

/** Back to running without having slept. */
export function __set_current_state_running(cpu: Cpu): void {
  atomic_set(cpu, (cpu.percpu + PC_TASK_STATE) as Word, TASK_RUNNING);
}

/**
 * Sleeps until somebody sets the state back to TASK_RUNNING. Returns at once when that has happened already.
 * A pending signal that the announced state allows ends the sleep too.
 * @param kind a WAIT_* kind, @param word what is waited for; both for reports
 * @locks none that spins; not inside an RCU read section
 */
export function schedule(cpu: Cpu, kind: number, word: Word): void {
  sleepUntilRunnable(cpu, kind, word, Number.POSITIVE_INFINITY);
}

/** As schedule(), but for at most `timeoutMs`. The state is TASK_RUNNING on return. @returns milliseconds left, 0 when time ran out */
export function schedule_timeout(cpu: Cpu, kind: number, word: Word, timeoutMs: number): number {
  const deadline = cpu.now() + timeoutMs;
  sleepUntilRunnable(cpu, kind, word, deadline);
  return Math.max(0, deadline - cpu.now());
}

function sleepUntilRunnable(cpu: Cpu, kind: number, word: Word, deadline: number): void {
  assert(cpu.rcuNesting === 0, 'schedule: sleeping inside an RCU read section');
  assert(cpu.spinDepth === 0, 'schedule: sleeping with a spinlock held');
  const stateWord = (cpu.percpu + PC_TASK_STATE) as Word;
  beginWait(cpu, kind, word);
  rcu_idle_enter(cpu);
  const sinceMs = cpu.traceMask < 0 ? 0 : cpu.now();
  let slept = false;
  let interruptible = 0;
  // A signal that arrives as the sleep begins is seen by the look below.
  const spuriousMs = cpu.inject === null ? Number.POSITIVE_INFINITY : cpu.inject.atSleep();
  for (;;) {
    const state = atomic_read(cpu, stateWord); // Pairs with: wake_up_process().
    if (state === TASK_RUNNING) break;
    interruptible = state & TASK_INTERRUPTIBLE;
    if (signal_pending_state(cpu, state)) break;
    const left = deadline === Number.POSITIVE_INFINITY ? deadline : deadline - cpu.now();
    if (left <= 0) break;
    slept = true;
    if (cpu.idle === null || !cpu.idle()) parkUndisturbed(cpu, stateWord, state, Math.min(left, spuriousMs));
    if (spuriousMs !== Number.POSITIVE_INFINITY) break;
  }
  atomic_set(cpu, stateWord, TASK_RUNNING);
  rcu_idle_exit(cpu);
  endWait(cpu);
  if (slept) trace(cpu, TRACE_SLEEP, interruptible, kind, cpu.traceMask < 0 ? 0 : sleptUs(cpu, sinceMs));
}

/** Half an hour at the most, so that it fits a word. */
const sleptUs = (cpu: Cpu, sinceMs: number): number => Math.min(Math.round((cpu.now() - sinceMs) * 1000), 1_800_000_000);

/**
 * Makes a task runnable. The caller has made its condition true before.
 * Pairs with: set_current_state(), whose barrier orders the announcement before the sleeper's check.
 * @returns whether it was sleeping or about to
 */
export function wake_up_process(cpu: Cpu, target: CpuId): boolean {
  const word = cpuWord(cpu, target, PC_TASK_STATE);
  // A look first: most wake-ups find a running task, and then there is nobody to notify.
  if (atomic_read(cpu, word) === TASK_RUNNING) return false;
  const before = atomic_xchg(cpu, word, TASK_RUNNING);
  if (before === TASK_RUNNING) return false;
  trace(cpu, TRACE_SCHED_WAKING, target);
  unpark(cpu, word, 1);
  return true;
}

/** Makes a signal pending for a task and wakes it if its state allows. May be called by any CPU. @kernel send_signal() */
export function send_signal(cpu: Cpu, target: CpuId, signal: number): void {
  atomic_fetch_or(cpu, cpuWord(cpu, target, PC_SIGPENDING), 1 << (signal - 1));
  const word = cpuWord(cpu, target, PC_TASK_STATE);
  const state = atomic_read(cpu, word);
  const wakes = (state & TASK_INTERRUPTIBLE) !== 0 || (signal === SIGKILL && (state & TASK_WAKEKILL) !== 0);
  if (wakes) wake_up_process(cpu, target);
}

/** Any signal pending for this task? */
export function signal_pending(cpu: Cpu): boolean {
  return atomic_read(cpu, (cpu.percpu + PC_SIGPENDING) as Word) !== 0;
}

/** SIGKILL pending for this task? */
export function fatal_signal_pending(cpu: Cpu): boolean {
  return (atomic_read(cpu, (cpu.percpu + PC_SIGPENDING) as Word) & SIGKILL_BIT) !== 0;
}

/** Would a pending signal end a sleep in this state? */
export function signal_pending_state(cpu: Cpu, state: number): boolean {
  if ((state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL)) === 0) return false;
  if ((state & TASK_INTERRUPTIBLE) !== 0) return signal_pending(cpu);
  return fatal_signal_pending(cpu);
}

/** Takes the pending signals of this task off the list, as delivery to the program would. @returns the bits that were pending */
export function takeSignals(cpu: Cpu): number {
  return atomic_fetch_and(cpu, (cpu.percpu + PC_SIGPENDING) as Word, 0);
}

/** Takes SIGKILL off the list: the process that it was for has no task here any more. The others stay. */
export function takeFatalSignal(cpu: Cpu): void {
  atomic_fetch_and(cpu, (cpu.percpu + PC_SIGPENDING) as Word, ~SIGKILL_BIT); // Alone: what arrives now is for the next process.
}

/** As takeSignals(), but SIGKILL stays pending, also when it arrives just now: there is no handler that could take it. */
export function takeHandledSignals(cpu: Cpu): number {
  return atomic_fetch_and(cpu, (cpu.percpu + PC_SIGPENDING) as Word, SIGKILL_BIT) & ~SIGKILL_BIT;
}

/**
 * The only place where a thread sleeps. Every sleep is bounded, says what it waits for while it lasts, and ends when the machine is frozen.
 * Callers loop: a return is a hint, never a promise. Never wake without a waiter: Atomics.notify takes one mutex for the whole process.
 * Next: sched/task.ts
 */

import type { Word } from '../base/brand.ts';
import { MachineStopped } from '../base/errors.ts';
import type { Steps } from './atomic.ts';
import { H_FREEZE } from './header.ts';
import { PC_NAP, PC_PARKS, PC_RUN_STATE, PC_WAIT_KIND, PC_WAIT_SINCE, PC_WAIT_WORD, RUN_PARKED, RUN_RUNNING, WAIT_NONE } from './percpu.ts';
import { PARK_NOT_EQUAL, PARK_TIMED_OUT, PARK_WOKEN, type ParkResult } from './step_gate.ts';

/** The longest single sleep, in milliseconds: how long a frozen machine takes to notice at the most. */
export const PARK_MS_MAX = 20;
/** The end of a nap that is too short to be slept. */
const NAP_SPIN_MS = 0.05;

/** Who may disturb a sleep: an injection. */
export interface SleepTrouble {
  /** A sleep begins; perhaps a signal arrives just now. @returns after how many milliseconds it is to end without a cause; Infinity: it is not */
  atSleep(): number;
}

/** What park needs of a CPU. */
export interface Parker extends Steps {
  /** First word of this CPU's per-CPU block. */
  readonly percpu: Word;
  /** Milliseconds; any origin. */
  readonly now: () => number;
  /** Null: nobody disturbs. */
  readonly inject: SleepTrouble | null;
}

/** @throws MachineStopped when the machine is frozen */
export function checkFreeze(cpu: Steps): void {
  if (cpu.words[H_FREEZE] !== 0) throw new MachineStopped('the machine was frozen');
}

/** Publishes what this CPU is about to wait for. Kept until `endWait`; a wait may consist of several parks. */
export function beginWait(cpu: Parker, kind: number, word: Word): void {
  cpu.words[cpu.percpu + PC_WAIT_WORD] = word;
  cpu.words[cpu.percpu + PC_WAIT_SINCE] = cpu.now() | 0;
  cpu.words[cpu.percpu + PC_WAIT_KIND] = kind;
}

export function endWait(cpu: Parker): void {
  cpu.words[cpu.percpu + PC_WAIT_KIND] = WAIT_NONE;
}

/**
 * Sleeps while the word holds `seen`, at most `timeoutMs`; an injection may end it earlier. Without a gate also at most PARK_MS_MAX, so that a
 * sleep without a time-out is one that only others end: in lock-step a sleep that nobody can end is found at once.
 * Call between beginWait and endWait. @throws MachineStopped when the machine is frozen
 */
export function park(cpu: Parker, word: Word, seen: number, timeoutMs: number = Number.POSITIVE_INFINITY): ParkResult {
  return parkUndisturbed(cpu, word, seen, cpu.inject === null ? timeoutMs : Math.min(timeoutMs, cpu.inject.atSleep()));
}

/** As park(), where an injection has had its say, or is the one that sleeps. */
export function parkUndisturbed(cpu: Parker, word: Word, seen: number, timeoutMs: number): ParkResult {
  checkFreeze(cpu);
  const limit = timeoutMs < PARK_MS_MAX ? timeoutMs : PARK_MS_MAX;
  cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_PARKED;
  cpu.words[cpu.percpu + PC_PARKS] = (cpu.words[cpu.percpu + PC_PARKS] as number) + 1;
  const result = cpu.gate !== null ? cpu.gate.park(cpu.id, word, seen, timeoutMs) : waitOn(cpu, word, seen, limit);
  cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  checkFreeze(cpu);
  return result;
}

function waitOn(cpu: Steps, word: Word, seen: number, timeoutMs: number): ParkResult {
  const answer = Atomics.wait(cpu.words, word, seen, timeoutMs);
  if (answer === 'ok') return PARK_WOKEN;
  return answer === 'not-equal' ? PARK_NOT_EQUAL : PARK_TIMED_OUT;
}

/**
 * Sleeps for a time, whatever this CPU holds or is in: an interruption from outside, as by the host or by a hypervisor. What the CPU was
 * waiting for is published again afterwards. @throws MachineStopped when the machine is frozen
 */
export function nap(cpu: Parker, kind: number, ms: number): void {
  const { words, percpu } = cpu;
  const before = [PC_WAIT_KIND, PC_WAIT_WORD, PC_WAIT_SINCE].map((field) => words[percpu + field] as number);
  const word = (percpu + PC_NAP) as Word;
  beginWait(cpu, kind, word);
  const endMs = cpu.now() + ms;
  for (let left = ms; left > 0; left = endMs - cpu.now()) {
    if (left < NAP_SPIN_MS) checkFreeze(cpu);
    else parkUndisturbed(cpu, word, 0, left);
  }
  [words[percpu + PC_WAIT_KIND], words[percpu + PC_WAIT_WORD], words[percpu + PC_WAIT_SINCE]] = before as [number, number, number];
}

/** Wakes up to `count` sleepers of the word, in the order in which they went to sleep. @returns how many */
export function unpark(cpu: Steps, word: Word, count: number): number {
  if (cpu.gate !== null) return cpu.gate.unpark(cpu.id, word, count);
  return Atomics.notify(cpu.words, word, count);
}

/**
 * The hook of lock-step mode: when a CPU has a gate, it takes a turn there before every operation on a protocol word, and sleeps and
 * wakes through it. Free-running CPUs have none; the price is one test where a word is read or written without an atomic operation, and none
 * where there is one.
 * Next: memory/gated_ops.ts and memory/atomic.ts call step(), memory/park.ts calls park() and unpark().
 */
import type { CpuId, Word } from '../base/brand.ts';

export const STEP_READ = 0;
export const STEP_WRITE = 1;
export const STEP_UPDATE = 2;
/** A named point in the protocol, not an access: `word` is then the number of the point (trace/points.ts). */
export const STEP_POINT = 3;
/** Advice to let others run, from a spin loop. */
export const STEP_RELAX = 4;
export type StepKind = 0 | 1 | 2 | 3 | 4 | 7;
/** What a gate itself does in park(), and in unpark(): the look at the word before the sleep, and the wake-up. No kinds of step(). */
export const STEP_PARK = 5;
export const STEP_WAKE = 6;
/** A read of a number by which the reader finds its way: what it leads to was filled before. */
export const STEP_DEREFERENCE = 7;

export const PARK_WOKEN = 0;
export const PARK_NOT_EQUAL = 1;
export const PARK_TIMED_OUT = 2;
export type ParkResult = 0 | 1 | 2;

export interface StepGate {
  /** Returns when it is this CPU's turn to do the operation. */
  step(cpu: CpuId, kind: StepKind, word: number): void;
  /** Sleeps while the word holds `seen`, at most for `timeoutMs`, which may be Infinity. Same results as Atomics.wait. */
  park(cpu: CpuId, word: Word, seen: number, timeoutMs: number): ParkResult;
  /** Wakes up to `count` sleepers on the word. Returns how many. */
  unpark(cpu: CpuId, word: Word, count: number): number;
}

/**
 * The funnel: every access to a protocol word goes through one of these functions, and nothing else names Atomics (park.ts aside).
 * That is what makes lock-step replay, counting and stall reports possible.
 * All operations but READ_ONCE and WRITE_ONCE are sequentially consistent; the kernel's weaker ordering words live in the comments at the
 * call sites. A read-modify-write returns the value BEFORE: call it `before`.
 * @kernel include/linux/atomic.h, include/asm-generic/rwonce.h
 * @fidelity reduced: sequential consistency only, 32 bits only
 * Next: memory/park.ts
 */
import type { CpuId, Word } from '../base/brand.ts';
import type { AtomicOps } from './atomic_ops.ts';
import type { SharedWords } from './shared_words.ts';
import { STEP_DEREFERENCE, STEP_READ, STEP_WRITE, type StepGate } from './step_gate.ts';

/** What the funnel needs to know of a CPU. `Cpu` is one; so is the context of a lock that is used on its own. */
export interface Steps {
  readonly id: CpuId;
  readonly words: SharedWords;
  /** With a gate, operations that take their turn first (gated_ops.ts). */
  readonly ops: AtomicOps;
  readonly gate: StepGate | null;
}

export function atomic_read(cpu: Steps, word: Word): number {
  return cpu.ops.load(word << 2);
}

export function atomic_set(cpu: Steps, word: Word, value: number): void {
  cpu.ops.store(word << 2, value);
}

/** @returns the value before */
export function atomic_fetch_add(cpu: Steps, word: Word, delta: number): number {
  return cpu.ops.add(word << 2, delta);
}

/** @returns the value before */
export function atomic_fetch_and(cpu: Steps, word: Word, mask: number): number {
  return cpu.ops.and(word << 2, mask);
}

/** @returns the value before */
export function atomic_fetch_or(cpu: Steps, word: Word, mask: number): number {
  return cpu.ops.or(word << 2, mask);
}

/** @returns the value before */
export function atomic_xchg(cpu: Steps, word: Word, value: number): number {
  return cpu.ops.xchg(word << 2, value);
}

/** Stores `value` if the word holds `expected`. @returns the value before: success is `before === expected` */
export function atomic_cmpxchg(cpu: Steps, word: Word, expected: number, value: number): number {
  return cpu.ops.cmpxchg(word << 2, expected, value);
}

/** Adds one unless the word is zero or at least `limit` (signed). @returns the value before in every case */
export function atomic_inc_not_zero_limited(cpu: Steps, word: Word, limit: number): number {
  return cpu.ops.incNotZeroLimited(word << 2, limit);
}

// Functions of their own, so that those below stay small enough to be put into their callers always.
function turnToRead(cpu: Steps, word: Word): void {
  cpu.gate?.step(cpu.id, STEP_READ, word);
}

function turnToDereference(cpu: Steps, word: Word): void {
  cpu.gate?.step(cpu.id, STEP_DEREFERENCE, word);
}

function turnToWrite(cpu: Steps, word: Word): void {
  cpu.gate?.step(cpu.id, STEP_WRITE, word);
}

/**
 * A marked but unordered read: a hint, or a word that only this CPU writes. Never in a loop that waits (the language allows hoisting),
 * and never the read that decides.
 */
export function READ_ONCE(cpu: Steps, word: Word): number {
  if (cpu.gate !== null) turnToRead(cpu, word);
  return cpu.words[word] as number;
}

/**
 * A marked read of a slot number that leads to a record: what the record held when the number was published with an atomic store is seen
 * through it, because the address of what is read next comes from it. (Machines keep to that, and so does compiled code that has no other way
 * to the address; the language itself promises it for atomic reads only.)
 * @kernel rcu_dereference(), and every dependent READ_ONCE()
 */
export function rcu_dereference(cpu: Steps, word: Word): number {
  if (cpu.gate !== null) turnToDereference(cpu, word);
  return cpu.words[word] as number;
}

/** A marked but unordered write: a hint for others, or a word published by a later atomic operation. */
export function WRITE_ONCE(cpu: Steps, word: Word, value: number): void {
  if (cpu.gate !== null) turnToWrite(cpu, word);
  cpu.words[word] = value;
}

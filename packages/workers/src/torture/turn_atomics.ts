/**
 * Lock-step for code that was not written for it: an object with the operations of Atomics, each of which takes its turn first, and a gate
 * for locks that take turns by themselves. Words have numbers of their own here: those of the lock's first buffer, then those of the second, ...
 *
 * A loop that only looks (loads, exchanges that change nothing, compares that fail, waits that do not sleep) gives its turn away after a few
 * rounds, or nobody else would ever change what it looks at.
 * Next: lockstep_torture_work.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import {
  PARK_NOT_EQUAL,
  PARK_WOKEN,
  type ParkResult,
  STEP_READ,
  STEP_RELAX,
  STEP_UPDATE,
  STEP_WRITE,
  type StepGate,
  type StepKind,
} from '@faultlab/core/memory/step_gate';
import type { LockstepGate } from '../lockstep/gate.ts';
import type { AtomicsLike } from './adapter.ts';
import { at, fieldOf, T_SLEEPS_ON, T_STEPS, type TortureState } from './torture_state.ts';

/** Operations without any effect, one after the other, after which a thread is said to wait in a loop. */
const IDLE_STEPS = 12;
const WORD_BYTES = 4;

/** The numbers of all words of a lock. */
export class WordNumbers {
  readonly #memories: readonly SharedArrayBuffer[];
  readonly #first: number[] = [];

  constructor(memories: readonly SharedArrayBuffer[]) {
    this.#memories = memories;
    let next = 0;
    for (const { byteLength } of memories) {
      this.#first.push(next);
      next += Math.ceil(byteLength / WORD_BYTES);
    }
  }

  of(buffer: ArrayBufferLike, byte: number): number {
    const memory = this.#indexOf(buffer);
    return (this.#first[memory] as number) + Math.floor(byte / WORD_BYTES);
  }

  #indexOf(buffer: ArrayBufferLike): number {
    const index = this.#memories.indexOf(buffer as SharedArrayBuffer);
    if (index >= 0) return index;
    throw new UsageError('The lock uses an array that lies in no memory of what create returned; put all shared memory into that.');
  }

  /** For people. */
  describe(number: number): string {
    let memory = this.#first.length - 1;
    while (memory > 0 && (this.#first[memory] as number) > number) memory--;
    const word = number - (this.#first[memory] ?? 0);
    return this.#first.length === 1 ? `word ${word}` : `word ${word} of buffer ${memory}`;
  }
}

/** Turns for one thread of a torture. */
export class TortureGate {
  readonly #gate: LockstepGate;
  readonly #state: TortureState;
  readonly #thread: number;
  readonly numbers: WordNumbers;
  #idle = 0;

  constructor(gate: LockstepGate, state: TortureState, thread: number, numbers: WordNumbers) {
    this.#gate = gate;
    this.#state = state;
    this.#thread = thread;
    this.numbers = numbers;
  }

  turn(kind: StepKind, word: number): void {
    this.#countStep();
    this.#gate.step(this.#thread as never, kind, word);
  }

  /** The thread waits in a loop: others first. */
  relax(): void {
    this.#idle = 0;
    this.turn(STEP_RELAX, 0);
  }

  /** @param changed the operation had an effect */
  noteEffect(changed: boolean): void {
    this.#idle = changed ? 0 : this.#idle + 1;
    if (this.#idle >= IDLE_STEPS) this.relax();
  }

  sleep(word: number, holds: () => boolean, timeoutMs: number): ParkResult {
    this.#countStep();
    this.#state[at(this.#thread, T_SLEEPS_ON)] = word + 1;
    const result = this.#gate.parkWhile(word, holds, timeoutMs);
    this.#state[at(this.#thread, T_SLEEPS_ON)] = 0;
    this.noteEffect(result !== PARK_NOT_EQUAL);
    return result;
  }

  wake(word: number, count: number): number {
    this.#countStep();
    const woken = this.#gate.unpark(this.#thread as never, word as never, count);
    this.noteEffect(woken > 0);
    return woken;
  }

  /** A gate over words of the lock, for locks that have a place for one. */
  over(words: Int32Array): StepGate {
    const number = (word: number): number => this.numbers.of(words.buffer, words.byteOffset + word * WORD_BYTES);
    return {
      step: (_cpu, kind, word) => this.turn(kind, kind === STEP_RELAX ? 0 : number(word)),
      park: (_cpu, word, seen, timeoutMs) => this.sleep(number(word), () => Atomics.load(words, word) === seen, timeoutMs),
      unpark: (_cpu, word, count) => this.wake(number(word), count),
    };
  }

  #countStep(): void {
    const own = at(this.#thread, T_STEPS);
    this.#state[own] = fieldOf(this.#state, this.#thread, T_STEPS) + 1;
  }
}

const KINDS: Readonly<Record<string, StepKind>> = {
  load: STEP_READ,
  store: STEP_WRITE,
  add: STEP_UPDATE,
  sub: STEP_UPDATE,
  and: STEP_UPDATE,
  or: STEP_UPDATE,
  xor: STEP_UPDATE,
  exchange: STEP_UPDATE,
  compareExchange: STEP_UPDATE,
};

/** The operations of Atomics, each with its turn. */
export function turnAtomics(gate: TortureGate): AtomicsLike {
  const numberOf = (array: Int32Array, index: number): number =>
    gate.numbers.of(array.buffer, array.byteOffset + index * array.BYTES_PER_ELEMENT);
  const operations: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const real = Atomics[name as 'add'] as (...args: unknown[]) => unknown;
    operations[name] = (array: Int32Array, index: number, ...values: unknown[]): unknown => {
      gate.turn(kind, numberOf(array, index));
      // Nobody else moves between these three.
      const before = array[index];
      const result = real(array, index, ...values);
      gate.noteEffect(array[index] !== before);
      return result;
    };
  }
  const others: Pick<AtomicsLike, 'wait' | 'notify' | 'isLockFree' | 'pause'> = {
    wait: (array, index, seen, timeoutMs = Number.POSITIVE_INFINITY) => {
      const result = gate.sleep(numberOf(array, index), () => Atomics.load(array, index) === seen, timeoutMs);
      return result === PARK_WOKEN ? 'ok' : result === PARK_NOT_EQUAL ? 'not-equal' : 'timed-out';
    },
    notify: (array, index, count = Number.POSITIVE_INFINITY) => gate.wake(numberOf(array, index), count),
    isLockFree: (bytes) => Atomics.isLockFree(bytes),
    pause: () => gate.relax(),
  };
  return { ...operations, ...others } as AtomicsLike;
}

/** Atomics itself, for threads that run freely; `pause` where the engine has none does nothing. */
export const freeAtomics = (): AtomicsLike => {
  const all = Object.fromEntries(Object.getOwnPropertyNames(Atomics).map((name) => [name, Reflect.get(Atomics, name)]));
  return { pause: () => {}, ...all } as unknown as AtomicsLike;
};

/** Atomics that count, to learn whether a lock takes them. */
export function countingAtomics(): { readonly atomics: AtomicsLike; readonly count: () => number } {
  let count = 0;
  const counted = Object.fromEntries(
    Object.entries(freeAtomics()).map(([name, operation]) => [
      name,
      (...args: unknown[]): unknown => {
        count++;
        return typeof operation === 'function' ? operation(...args) : operation;
      },
    ]),
  );
  return { atomics: counted as unknown as AtomicsLike, count: () => count };
}

/**
 * A small lock-step engine for tests: of several threads exactly one moves, the others wait for their turn at their next operation.
 * Who moves next is drawn from a seed, or is always the runnable CPU with the lowest number. Time is a word that only tests move, so a
 * sleep ends by a wake-up, or, when nobody can move any more, by its timeout.
 * Next: steps.worker.ts
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import {
  PARK_NOT_EQUAL,
  PARK_TIMED_OUT,
  PARK_WOKEN,
  type ParkResult,
  STEP_RELAX,
  type StepGate,
  type StepKind,
} from '@faultlab/core/memory/step_gate';

/** Words of the gate: turn, seed state, a hash and a count of the turns taken, then three words per CPU. */
const TURN = 0;
const CHANCE = 1;
const HASH = 2;
const TURNS = 3;
const JOINED = 4;
const PER_CPU = 8;
export const GATE_WORDS: number = PER_CPU + 4 * 8;

const RUNNABLE = 1;
const PARKED = 2;
const GONE = 3;
const STATE = 0;
const PARKED_ON = 1;
const WOKEN = 2;

export interface TurnsTaken {
  readonly turns: number;
  /** Of the order of turns and what each did. */
  readonly hash: number;
}

/** How a run went, when all threads have left. */
export function turnsTaken(arena: Int32Array, at: Word): TurnsTaken {
  return { turns: arena[at + TURNS] as number, hash: arena[at + HASH] as number };
}

export class TurnGate implements StepGate {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #cpus: number;
  readonly #seeded: boolean;
  readonly #arena: Int32Array;

  /** @param seed 0: the lowest runnable CPU moves, and gives way when it relaxes */
  constructor(arena: Int32Array, at: Word, cpus: number, seed: number) {
    this.#arena = arena;
    this.#words = arena;
    this.#at = at;
    this.#cpus = cpus;
    this.#seeded = seed !== 0;
    if (seed !== 0) Atomics.compareExchange(arena, at + CHANCE, 0, seed);
  }

  /** A CPU comes in. The first turn is given when all are there. */
  join(cpu: CpuId): void {
    this.#set(cpu, STATE, RUNNABLE);
    const joined = Atomics.add(this.#words, this.#at + JOINED, 1) + 1;
    if (joined === this.#cpus) this.#give(0);
    this.#await(cpu);
  }

  leave(cpu: CpuId): void {
    this.#set(cpu, STATE, GONE);
    this.#passOn(cpu, false);
  }

  step(cpu: CpuId, kind: StepKind, word: number): void {
    this.#note(cpu, kind, word);
    this.#passOn(cpu, kind === STEP_RELAX);
    this.#await(cpu);
  }

  park(cpu: CpuId, word: Word, seen: number): ParkResult {
    this.#note(cpu, 5, word);
    if (Atomics.load(this.#arena, word) !== seen) return PARK_NOT_EQUAL;
    this.#set(cpu, WOKEN, 0);
    this.#set(cpu, PARKED_ON, word);
    this.#set(cpu, STATE, PARKED);
    this.#passOn(cpu, false);
    this.#await(cpu);
    return this.#get(cpu, WOKEN) === 1 ? PARK_WOKEN : PARK_TIMED_OUT;
  }

  unpark(_cpu: CpuId, word: Word, count: number): number {
    let woken = 0;
    for (let other = 0; other < this.#cpus && woken < count; other++) {
      if (this.#get(other, STATE) !== PARKED || this.#get(other, PARKED_ON) !== word) continue;
      this.#set(other, WOKEN, 1);
      this.#set(other, STATE, RUNNABLE);
      woken++;
    }
    return woken;
  }

  /** Does that CPU sleep, with nobody having woken it yet? */
  sleeps(cpu: number): boolean {
    return this.#get(cpu, STATE) === PARKED;
  }

  #get(cpu: number, field: number): number {
    return this.#words[this.#at + PER_CPU + cpu * 4 + field] as number;
  }

  #set(cpu: number, field: number, value: number): void {
    this.#words[this.#at + PER_CPU + cpu * 4 + field] = value;
  }

  #note(cpu: number, kind: number, word: number): void {
    const hash = this.#words[this.#at + HASH] as number;
    this.#words[this.#at + HASH] = Math.imul(hash ^ (cpu * 8 + kind), 0x01000193) ^ word;
    this.#words[this.#at + TURNS] = (this.#words[this.#at + TURNS] as number) + 1;
  }

  /** Only the CPU that has the turn calls this, so plain accesses are enough. */
  #passOn(cpu: number, giveWay: boolean): void {
    const all = Array.from({ length: this.#cpus }, (_, id) => id);
    let able = all.filter((id) => this.#get(id, STATE) === RUNNABLE);
    if (able.length === 0) {
      // Everybody sleeps: the sleep of the lowest ends by its timeout.
      able = all.filter((id) => this.#get(id, STATE) === PARKED).slice(0, 1);
      for (const id of able) this.#set(id, STATE, RUNNABLE);
    }
    if (able.length === 0) return;
    if (this.#seeded) {
      this.#give(able[this.#draw(able.length)] as number);
      return;
    }
    const others = able.filter((id) => id !== cpu);
    this.#give(giveWay && others.length > 0 ? (others.find((id) => id > cpu) ?? (others[0] as number)) : (able[0] as number));
  }

  #draw(below: number): number {
    let x = this.#words[this.#at + CHANCE] as number;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#words[this.#at + CHANCE] = x;
    return (x >>> 0) % below;
  }

  #give(cpu: number): void {
    Atomics.store(this.#words, this.#at + TURN, cpu + 1);
    Atomics.notify(this.#words, this.#at + TURN);
  }

  #await(cpu: number): void {
    for (;;) {
      const turn = Atomics.load(this.#words, this.#at + TURN);
      if (turn === cpu + 1) return;
      Atomics.wait(this.#words, this.#at + TURN, turn, 5000);
    }
  }
}

/** One thread of runScripts: executes its script. */
import type { CpuId, Pfn, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { PC_RUN_STATE, PC_TASK_STATE, PC_WAIT_KIND, percpuBase, RUN_PARKED, RUN_RUNNING, WAIT_NONE } from '@faultlab/core/memory/percpu';
import { attachMemory } from '@faultlab/core/memory/shared_memory';
import {
  PARK_NOT_EQUAL,
  PARK_TIMED_OUT,
  PARK_WOKEN,
  type ParkResult,
  STEP_RELAX,
  STEP_UPDATE,
  STEP_WRITE,
  type StepGate,
  type StepKind,
} from '@faultlab/core/memory/step_gate';
import { folio_flags, folioFlagsWord, PG_locked, PG_uptodate, PG_waiters } from '@faultlab/core/mm/folio';
import {
  folio_end_read,
  folio_lock,
  folio_lock_killable,
  folio_trylock,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
  folioLockToIo,
} from '@faultlab/core/mm/folio_lock';
import { folioWaitHead } from '@faultlab/core/mm/folio_wait';
import { folio_end_writeback, folio_start_writeback, folio_wait_writeback } from '@faultlab/core/mm/folio_writeback';
import { SIGKILL, send_signal } from '@faultlab/core/sched/task';
import { TurnGate } from '../locking/turn_gate.ts';
import { collidingWith, FLAGS_LINE, type FolioOrder, GATE_LINE, LOG_LINE, PAGE, STOPS_LINE } from './folio_lock_steps.ts';
import { endReadUnlockingFirst, lockDecidingEarly, lockNeverHanded, lockTryingFirst, unlockForgettingWaiters } from './folio_lock_wrong.ts';

const CALLS: Readonly<Record<string, (cpu: Cpu, pfn: Pfn) => unknown>> = {
  folio_trylock,
  folio_lock,
  folio_lock_killable,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
  folioLockToIo,
  folio_end_read: (cpu, pfn) => folio_end_read(cpu, pfn, true),
  fail_read: (cpu, pfn) => folio_end_read(cpu, pfn, false),
  folio_start_writeback,
  folio_end_writeback,
  folio_wait_writeback,
  lockTryingFirst,
  unlockForgettingWaiters,
  lockNeverHanded,
  lockDecidingEarly,
  endReadUnlockingFirst,
};

/** Longest single look of a wait; the deadline of the test ends a wait that is in vain. */
const POLL_MS = 2;

/** Where a CPU stops: two words per CPU, how often it has stopped and how often it was told to go. */
class Stops implements StepGate {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #stops: { readonly kind: number; readonly word: number; times: number }[] = [];

  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  stopBefore(kind: number, word: number, times: number): void {
    this.#stops.push({ kind, word, times });
  }

  step(_cpu: CpuId, kind: StepKind, word: number): void {
    const next = this.#stops[0];
    if (next === undefined || word !== next.word || kind !== next.kind || --next.times > 0) return;
    this.#stops.shift();
    const goes = this.#at + 1;
    const stops = Atomics.add(this.#words, this.#at, 1) + 1;
    for (let seen = Atomics.load(this.#words, goes); seen < stops; seen = Atomics.load(this.#words, goes))
      Atomics.wait(this.#words, goes, seen, POLL_MS);
  }

  park(_cpu: CpuId, word: Word, seen: number, timeoutMs: number): ParkResult {
    const answer = Atomics.wait(this.#words, word, seen, Math.min(timeoutMs, 20));
    return answer === 'ok' ? PARK_WOKEN : answer === 'not-equal' ? PARK_NOT_EQUAL : PARK_TIMED_OUT;
  }

  unpark(_cpu: CpuId, word: Word, count: number): number {
    return Atomics.notify(this.#words, word, count);
  }
}

const BITS: Readonly<Record<string, number>> = { L: PG_locked, U: PG_uptodate, W: PG_waiters };

/** Which of the bits named are set, by their letters. */
function lettersOf(flags: number, asked: string): string {
  const set = [...asked].filter((letter) => (flags & (BITS[letter] as number)) !== 0);
  return set.length === 0 ? '-' : set.join('');
}

export default function execute(order: FolioOrder): string[] {
  const memory = attachMemory(order.handle);
  const { words } = memory;
  const line = (number: number): number => memory.userAt + number * 16;
  const stopsOf = (cpu: number): number => line(STOPS_LINE) + cpu * 2;
  const id = order.cpu as CpuId;
  const stops = new Stops(words, stopsOf(id));
  const turns = order.seed === null ? null : new TurnGate(words, line(GATE_LINE) as Word, order.cpus, order.seed);
  const cpu = new Cpu({ id, memory, gate: turns ?? stops, now: () => 0, verify: true });
  words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  const results: string[] = [];
  const until = (condition: () => boolean): void => {
    while (!condition()) {
      if (turns !== null) turns.step(id, STEP_RELAX, 0);
      else Atomics.wait(words, line(0), 0, POLL_MS);
    }
  };
  const sleeps = (other: number): boolean => {
    if (turns !== null) return turns.sleeps(other);
    const block = percpuBase(memory.percpuAt, other as CpuId);
    return Atomics.load(words, block + PC_RUN_STATE) === RUN_PARKED && Atomics.load(words, block + PC_WAIT_KIND) !== WAIT_NONE;
  };
  const page = (name: string | undefined): Pfn => (name === 'Q' ? collidingWith(memory, PAGE) : PAGE);
  const note = (letter: string): void => {
    const position = Atomics.add(words, line(LOG_LINE), 1);
    words[line(LOG_LINE) + 1 + position] = letter.charCodeAt(0);
  };
  const steering: Readonly<Record<string, (what: string, times: string | undefined) => void>> = {
    await: (flag) => until(() => Atomics.load(words, line(FLAGS_LINE) + Number(flag)) !== 0),
    raise: (flag) => void Atomics.store(words, line(FLAGS_LINE) + Number(flag), 1),
    asleep: (other) => until(() => sleeps(Number(other))),
    reached: (other) => until(() => Atomics.load(words, stopsOf(Number(other))) > Atomics.load(words, stopsOf(Number(other)) + 1)),
    go: (other) => void Atomics.add(words, stopsOf(Number(other)) + 1, 1),
    kill: (other) => send_signal(cpu, Number(other) as CpuId, SIGKILL),
    note,
    look: (asked, name) => void results.push(lettersOf(folio_flags(cpu, page(name)), asked)),
    stop: (where, times) => {
      const word = { flags: folioFlagsWord(memory, PAGE), queue: folioWaitHead(memory, PAGE), state: cpu.percpu + PC_TASK_STATE }[where];
      stops.stopBefore(where === 'state' ? STEP_WRITE : STEP_UPDATE, word ?? -1, Number(times));
    },
  };
  turns?.join(id);
  for (const step of order.script.split(';').filter((text) => text.trim() !== '')) {
    const [name = '', ...rest] = step.trim().split(/\s+/);
    const steer = steering[name];
    if (steer !== undefined) {
      steer(rest[0] as string, rest[1]);
      continue;
    }
    const call = CALLS[name];
    if (call === undefined) throw new Error(`'${name}' is no step`);
    const result = call(cpu, page(rest[0]));
    if (result !== undefined) results.push(String(result));
  }
  turns?.leave(id);
  return results;
}

/**
 * One thread's part of a schedule of a torture: a fresh lock, the rounds of the pattern, and the checks that only lock-step can make, because it
 * knows who sleeps.
 * Next: participant.ts, turn_atomics.ts
 */
import { STEP_POINT, STEP_RELAX } from '@faultlab/core/memory/step_gate';
import { mix } from '../lockstep/chance.ts';
import type { LockstepGate } from '../lockstep/gate.ts';
import type { WorkContext } from '../work.ts';
import { type LockAdapter, loadAdapter } from './adapter.ts';
import { checkUpdates, LockFault, Participant, type Surroundings, waysOf } from './participant.ts';
import { SavedMemories, sharedMemories } from './shared_memories.ts';
import type { LockstepTortureOrder } from './torture_order.ts';
import {
  at,
  fieldOf,
  isFree,
  PLACE_DONE,
  PLACE_WANTS_WRITE,
  S_INSIDE,
  T_BEGAN,
  T_OVERTAKEN,
  T_OVERTAKEN_MAX,
  T_PLACE,
  T_STEPS,
  T_STEPS_SEEN,
  wants,
} from './torture_state.ts';
import { TortureGate, turnAtomics, WordNumbers } from './turn_atomics.ts';

/** Turns for which a reader waits for a second one. */
const OVERLAP_TURNS = 40;
/** One round in so many is a try, where the lock has one; one of so many is a write, where there are readers. */
const TRY_EVERY = 6;
const WRITE_EVERY = 2;

interface Loaded {
  readonly adapter: LockAdapter;
  readonly saved: SavedMemories;
  readonly numbers: WordNumbers;
}

/** Of this thread, by what it was told. */
const loaded = new WeakMap<LockstepTortureOrder, Loaded>();

export async function prepare(order: LockstepTortureOrder): Promise<void> {
  const memories = sharedMemories(order.shared, order.where);
  const adapter = await loadAdapter(order.href, order.where);
  loaded.set(order, { adapter, saved: new SavedMemories(memories), numbers: new WordNumbers(memories) });
}

export default function torture(context: WorkContext, order: LockstepTortureOrder): void {
  const { adapter, saved, numbers } = loaded.get(order) as Loaded;
  const { cpu } = context;
  const { state, threads } = order;
  const gate = cpu.gate as LockstepGate;
  // The first thread comes first, while nobody moves: it puts back what the schedule before has left.
  if (cpu.id === 0) {
    saved.restore();
    forgetSchedule(order);
  }
  const turns = new TortureGate(gate, state, cpu.id, numbers);
  context.arrive();
  const lock = adapter.attach(order.shared, {
    index: cpu.id,
    threads,
    atomics: turnAtomics(turns),
    now: gate.now,
    gate: (words) => turns.over(words),
  });
  const around = new Watched(context, order, gate);
  const participant = new Participant(around, waysOf(lock));
  const draw = chanceOf(mix(context.seed, cpu.id));
  if (order.pattern === 'overlap') overlap(participant, around, order, cpu.id);
  else mixed(participant, order, draw);
  participant.done();
  if (allDone(order)) checkUpdates(state, threads);
  else around.checkSleepers();
}

function mixed(participant: Participant, { rounds }: LockstepTortureOrder, draw: (below: number) => number): void {
  for (let round = 0; round < rounds; round++) {
    const reads = draw(WRITE_EVERY) !== 0;
    if (draw(TRY_EVERY) === 0) participant.attempt(reads);
    else if (reads) participant.read();
    else participant.write();
  }
}

/** Thread 0 writes, the others read, and a reader stays until another one is in. */
function overlap(participant: Participant, around: Watched, { rounds }: LockstepTortureOrder, thread: number): void {
  if (thread === 0) {
    participant.write();
    return;
  }
  for (let round = 0; round < rounds; round++) participant.read(() => around.awaitCompany());
}

function chanceOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = mix(state, 1);
    return (state >>> 8) % below;
  };
}

/** What is counted over all schedules stays; who is where, and what the lock guards, begins again. */
function forgetSchedule({ state, threads }: LockstepTortureOrder): void {
  const kept = Array.from({ length: threads }, (_, thread) => fieldOf(state, thread, T_OVERTAKEN_MAX));
  state.fill(0);
  kept.forEach((count, thread) => {
    state[at(thread, T_OVERTAKEN_MAX)] = count;
  });
}

const allDone = ({ state, threads }: LockstepTortureOrder): boolean =>
  Array.from({ length: threads }, (_, thread) => fieldOf(state, thread, T_PLACE)).every((place) => place === PLACE_DONE);

/** Surroundings that see who sleeps. */
class Watched implements Surroundings {
  readonly state: LockstepTortureOrder['state'];
  readonly thread: number;
  readonly threads: number;
  readonly #order: LockstepTortureOrder;
  readonly #context: WorkContext;
  readonly #gate: LockstepGate;

  constructor(context: WorkContext, order: LockstepTortureOrder, gate: LockstepGate) {
    this.state = order.state;
    this.thread = context.cpu.id;
    this.threads = order.threads;
    this.#order = order;
    this.#context = context;
    this.#gate = gate;
  }

  pause(): void {
    this.#gate.step(this.#context.cpu.id, STEP_POINT, 0);
  }

  entered(asReader: boolean): void {
    this.#context.progress();
    if (asReader) this.#countOvertakings();
  }

  left(): void {
    this.#context.progress();
    this.checkSleepers();
  }

  awaitCompany(): void {
    for (let turn = 0; turn < OVERLAP_TURNS && (this.state[S_INSIDE] as number) < 2; turn++) {
      this.#gate.step(this.#context.cpu.id, STEP_RELAX, 0);
    }
  }

  /** Nobody is inside and nobody is on the way in or out, but somebody sleeps: no operation of this lock will wake it. */
  checkSleepers(): void {
    const { state, threads } = this;
    if (!isFree(state, threads)) return;
    const waiting: number[] = [];
    for (let thread = 0; thread < threads; thread++) {
      if (!wants(fieldOf(state, thread, T_PLACE))) continue;
      if (!this.#gate.asleep(thread)) return;
      waiting.push(thread);
    }
    if (waiting.length === 0) return;
    throw new LockFault(
      'lost wake-up',
      `thread ${waiting.join(' and ')} sleeps for the lock, and the lock is free: nobody holds it or is in an unlock`,
    );
  }

  /** Counts this reader against each writer that waited before the reader came, and had its chance: it sleeps, or moved since the last count. */
  #countOvertakings(): void {
    const { state, threads, thread: me } = this;
    const began = fieldOf(state, me, T_BEGAN);
    for (let writer = 0; writer < threads; writer++) {
      if (fieldOf(state, writer, T_PLACE) !== PLACE_WANTS_WRITE || fieldOf(state, writer, T_BEGAN) > began) continue;
      const steps = fieldOf(state, writer, T_STEPS);
      if (!this.#gate.asleep(writer) && steps === fieldOf(state, writer, T_STEPS_SEEN)) continue;
      state[at(writer, T_STEPS_SEEN)] = steps;
      const count = fieldOf(state, writer, T_OVERTAKEN) + 1;
      state[at(writer, T_OVERTAKEN)] = count;
      if (count <= this.#order.overtakingsMax) continue;
      throw new LockFault('starvation', `${count} readers that came after the writer of thread ${writer} were let in before it`);
    }
  }
}

/**
 * One thread of a torture that runs freely. Rounds of a few acquisitions, then all meet: who was forgotten asleep in a round is missed at the
 * meeting, where no later unlock can wake it by chance.
 * Next: free_torture.ts is the other side
 */
import { parentPort, workerData } from 'node:worker_threads';
import { mix } from '../lockstep/chance.ts';
import { inSource } from '../source_lines.ts';
import { loadAdapter } from './adapter.ts';
import { LockFault, Participant, type Surroundings, waysOf } from './participant.ts';
import type { FreeTortureAnswer, FreeTortureOrder } from './torture_order.ts';
import {
  at,
  fieldOf,
  PLACE_DONE,
  S_INSIDE,
  S_MEETINGS,
  S_MET,
  S_STOP,
  T_LONGEST_US,
  T_OVERTAKEN_MAX,
  T_PLACE,
  T_READS,
  T_WRITES,
} from './torture_state.ts';
import { freeAtomics } from './turn_atomics.ts';

const ROUND_MAX = 64;
const LONG_HOLD_EVERY = 512;
const LONG_HOLD_MS = 0.5;
/** How long a reader waits for a second one. */
const COMPANY_MS = 0.3;
const OVERLAP_READS = 64;
const TRY_EVERY = 8;
const US_PER_MS = 1000;

const order = workerData as FreeTortureOrder;
const { state, thread, threads } = order;
let random = mix(order.seed, thread);
/** Set when all threads have come for the first time. */
let endMs = Number.POSITIVE_INFINITY;
/** Rounds of this thread; in the pattern `overlap` the writer writes once in each. */
let rounds = 0;

const below = (n: number): number => {
  random = mix(random, 1);
  return (random >>> 8) % n;
};

/** Until all threads are here. @returns whether there is a next round, the same for all */
function meet(): boolean {
  const meeting = Atomics.load(state, S_MEETINGS);
  if (Atomics.add(state, S_MET, 1) === threads - 1) {
    if (performance.now() >= endMs) Atomics.store(state, S_STOP, 1);
    Atomics.store(state, S_MET, 0);
    Atomics.add(state, S_MEETINGS, 1);
    Atomics.notify(state, S_MEETINGS);
  } else while (Atomics.load(state, S_MEETINGS) === meeting) Atomics.wait(state, S_MEETINGS, meeting);
  return Atomics.load(state, S_STOP) === 0;
}

function readsOfOthers(): number {
  let reads = 0;
  for (let other = 0; other < threads; other++) reads += Atomics.load(state, at(other, T_READS));
  return reads;
}

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const around: Surroundings = {
  state,
  thread,
  threads,
  pause: () => {
    if (below(LONG_HOLD_EVERY) === 0) busy(LONG_HOLD_MS);
  },
  entered: () => {},
  left: () => {},
};

/** A write, with how long it took to get in and how many readers got in meanwhile; those that were on the way already are not held against the lock. */
function timedWrite(participant: Participant): void {
  const [since, before] = [performance.now(), readsOfOthers()];
  participant.write();
  const tookUs = Math.round((performance.now() - since) * US_PER_MS);
  state[at(thread, T_LONGEST_US)] = Math.max(fieldOf(state, thread, T_LONGEST_US), tookUs);
  const overtaken = readsOfOthers() - before - (threads - 1);
  state[at(thread, T_OVERTAKEN_MAX)] = Math.max(fieldOf(state, thread, T_OVERTAKEN_MAX), overtaken);
  if (overtaken <= order.overtakingsMax) return;
  throw new LockFault(
    'starvation',
    `${overtaken} readers that came after the writer of thread ${thread} were let in before it, within ${Math.round(tookUs / US_PER_MS)} ms`,
  );
}

function mixedRound(participant: Participant): void {
  for (let left = 1 + below(ROUND_MAX); left > 0; left--) {
    const reads = thread >= order.writers;
    if (below(TRY_EVERY) === 0) participant.attempt(reads);
    else if (reads) participant.read();
    else participant.write();
  }
}

/** A reader goes on as long as the writer waits, and a little longer: its own patience ends the round, not the lock. */
function overlapRound(participant: Participant): void {
  if (thread === 0) {
    timedWrite(participant);
    return;
  }
  const most = order.overtakingsMax * 2;
  for (let reads = 0; reads < most && (reads < OVERLAP_READS || Atomics.load(state, at(0, T_WRITES)) < rounds); reads++) {
    participant.read(() => {
      for (const end = performance.now() + COMPANY_MS; Atomics.load(state, S_INSIDE) < 2 && performance.now() < end; );
    });
  }
}

async function torture(): Promise<FreeTortureAnswer> {
  const adapter = await loadAdapter(order.href, order.where);
  const lock = adapter.attach(order.shared, {
    index: thread,
    threads,
    atomics: freeAtomics(),
    now: () => performance.now(),
    gate: () => null,
  });
  const participant = new Participant(around, waysOf(lock));
  try {
    for (let more = meet(); more; more = meet()) {
      if (rounds === 0) endMs = performance.now() + order.ms;
      rounds++;
      if (order.pattern === 'overlap') overlapRound(participant);
      else mixedRound(participant);
    }
    return { end: 'finished' };
  } catch (error) {
    if (error instanceof LockFault) return { end: 'fault', fault: error.fault, message: error.message };
    return { end: 'threw', message: error instanceof Error ? inSource(error.stack ?? error.message) : String(error) };
  } finally {
    Atomics.store(state, at(thread, T_PLACE), PLACE_DONE);
  }
}

parentPort?.postMessage(await torture());

/**
 * A torture with threads that run freely, watched from the main thread: who finds something says so, and when nobody moves any more it is told
 * from outside who waits for what.
 * Next: free_torture_main.ts is what each thread does
 */
import { Worker } from 'node:worker_threads';
import { inSource } from '../source_lines.ts';
import { checkUpdates, LockFault } from './participant.ts';
import type { FreeTortureAnswer, FreeTortureOrder } from './torture_order.ts';
import {
  at,
  fieldOf,
  isFree,
  PLACE_DONE,
  PLACE_OUT,
  PLACE_READS,
  PLACE_WRITES,
  placeLines,
  S_MEETINGS,
  T_MISSED,
  T_PLACE,
  T_READS,
  T_WRITES,
  type TortureState,
  wants,
} from './torture_state.ts';

const MAIN = new URL('./free_torture_main.js', import.meta.url);
const POLL_MS = 50;
/** Where nobody waits for the lock, it is the host that keeps the threads: they get so long. */
const SLOW_MS = 60_000;

export interface TortureFinding {
  /** `exclusion`, `lost update`, `torn read`, `lost wake-up`, `starvation`, `deadlock`, `livelock`, `hang` or `threw`. */
  readonly fault: string;
  readonly message: string;
  /** Who was where. */
  readonly lines: readonly string[];
}

export interface FreeTorture extends Omit<FreeTortureOrder, 'thread'> {
  readonly exclusive: boolean;
  /** Without any progress for so long, the threads are stuck. */
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @returns what was found first; undefined when nothing was */
export async function tortureFreely(torture: FreeTorture): Promise<TortureFinding | undefined> {
  const { state, threads, exclusive: _exclusive, stallMs, signal, ...rest } = torture;
  const workers = Array.from({ length: threads }, (_, thread) => {
    const order: FreeTortureOrder = { ...rest, state, threads, thread };
    return new Worker(MAIN, { workerData: order, stdout: true, stderr: true });
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const answers = workers.map(answerOf);
    const stuck = new Promise<TortureFinding>((resolve) => {
      let [seen, since] = [-1, performance.now()];
      timer = setInterval(() => {
        const progress = progressOf(state, threads);
        if (progress !== seen) [seen, since] = [progress, performance.now()];
        else if (performance.now() - since > (hangsOnLock(torture) ? stallMs : SLOW_MS)) resolve(stuckFinding(torture));
      }, POLL_MS);
    });
    const aborted = new Promise<undefined>((resolve) => signal?.addEventListener('abort', () => resolve(undefined), { once: true }));
    const bad = Promise.race(answers.map(async (answer) => await failed(answer, torture)));
    const all = Promise.all(answers).then(() => finalFinding(torture));
    const finding = await Promise.race([bad, stuck, all, aborted]);
    return finding;
  } finally {
    clearInterval(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function answerOf(worker: Worker): Promise<FreeTortureAnswer> {
  worker.stdout.resume();
  worker.stderr.resume();
  return new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('error', (error) => resolve({ end: 'threw', message: inSource(error.stack ?? error.message) }));
    worker.once('exit', (code) => resolve({ end: 'threw', message: `the thread ended with exit code ${code}` }));
  });
}

/** Settles only when the thread found something. */
async function failed(answer: Promise<FreeTortureAnswer>, torture: FreeTorture): Promise<TortureFinding> {
  const said = await answer;
  const lines = linesOf(torture);
  if (said.end === 'fault') return { fault: said.fault, message: said.message.slice(said.fault.length + 2), lines };
  if (said.end === 'threw') return { fault: 'threw', message: said.message, lines };
  return await new Promise<never>(() => {});
}

const linesOf = ({ state, threads, exclusive }: FreeTorture): string[] => placeLines(state, threads, exclusive, String);

function progressOf(state: TortureState, threads: number): number {
  let sum = Atomics.load(state, S_MEETINGS);
  for (let thread = 0; thread < threads; thread++) {
    for (const field of [T_READS, T_WRITES, T_MISSED]) sum = (sum + Atomics.load(state, at(thread, field))) | 0;
  }
  return sum;
}

/** Somebody is in an operation of the lock, and nobody holds it: only the lock can keep them. */
function hangsOnLock({ state, threads }: FreeTorture): boolean {
  const places = Array.from({ length: threads }, (_, thread) => fieldOf(state, thread, T_PLACE));
  if (places.some((place) => place === PLACE_READS || place === PLACE_WRITES)) return false;
  return places.some((place) => place !== PLACE_OUT && place !== PLACE_DONE);
}

function stuckFinding(torture: FreeTorture): TortureFinding {
  const { state, threads } = torture;
  const lines = linesOf(torture);
  const waiting = Array.from({ length: threads }, (_, thread) => thread).filter((thread) => wants(fieldOf(state, thread, T_PLACE)));
  if (waiting.length > 0 && isFree(state, threads)) {
    const message = `thread ${waiting.join(' and ')} waits, nobody moves, and the lock is free: nobody holds it or is in an unlock`;
    return { fault: 'lost wake-up', message, lines };
  }
  return { fault: 'hang', message: 'nobody moves', lines };
}

function finalFinding(torture: FreeTorture): TortureFinding | undefined {
  try {
    checkUpdates(torture.state, torture.threads);
    return undefined;
  } catch (error) {
    if (!(error instanceof LockFault)) throw error;
    return { fault: error.fault, message: error.message.slice(error.fault.length + 2), lines: [] };
  }
}

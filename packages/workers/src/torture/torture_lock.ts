/**
 * Tortures a lock from outside: threads that run freely, then, where the lock takes its turns, all interleavings of small cases and many of
 * larger ones.
 *
 *   const result = await tortureLock('./my_mutex.mjs', { threads: 4, seconds: 2, seed: 1 });
 *   console.log(tortureReport(result).join('\n'));
 *
 * The adapter is a module, not an object, because every thread has to make the lock's functions for itself.
 * Next: adapter.ts for what the module exports; free_torture.ts, lockstep_torture.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { type LockKind, loadAdapter } from './adapter.ts';
import { type TortureFinding, tortureFreely } from './free_torture.ts';
import { type SearchResult, tortureInLockstep } from './lockstep_torture.ts';
import { placeOf, probe } from './probe.ts';
import type { AdapterPlace, Pattern } from './torture_order.ts';
import {
  at,
  createTortureState,
  T_LONGEST_US,
  T_MISSED,
  T_OVERTAKEN_MAX,
  T_READS,
  T_WRITES,
  TORTURE_THREADS_MAX,
  type TortureState,
} from './torture_state.ts';

export interface TortureOptions {
  /** 4 when not given. */
  readonly threads?: number;
  /** Of running freely, for each pattern; 2 when not given, 0 for none. */
  readonly seconds?: number;
  /** Of lock-step, for the main strategy; 300 when not given, 0 for none. */
  readonly schedules?: number;
  readonly seed?: number;
  /** Readers that may get in before a writer that waited longer, in lock-step; running freely 32 times as many. 64 when not given. */
  readonly overtakings?: number;
  /** Nobody moves for so long: the threads are stuck. 5000 when not given. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal;
}

/** Acquisitions of the threads that read, or write. */
export interface AcquisitionCounts {
  readonly total: number;
  readonly max: number;
  readonly min: number;
}

export interface FreeTortureResult {
  readonly pattern: Pattern;
  readonly writers: number;
  readonly readers: number;
  readonly ms: number;
  /** CPUs that the process got meanwhile. */
  readonly cpus: number;
  readonly writes: AcquisitionCounts;
  readonly reads: AcquisitionCounts;
  readonly missedTries: number;
  readonly overtaken: number;
  readonly longestWaitMs: number;
  readonly finding: TortureFinding | undefined;
}

export interface TortureResult {
  readonly name: string;
  readonly kind: LockKind | 'unknown';
  readonly threads: number;
  readonly seed: number;
  readonly overtakings: number;
  /** The lock takes the Atomics that it is given, so that lock-step sees every operation. */
  readonly takesTurns: boolean;
  readonly free: readonly FreeTortureResult[];
  readonly lockstep: readonly SearchResult[];
  readonly verdict: 'SUCCESS' | 'FAILURE';
  /** What broke, in the order in which it was found. */
  readonly findings: readonly TortureFinding[];
}

const THREADS_DEFAULT = 4;
const SECONDS_DEFAULT = 2;
const SCHEDULES_DEFAULT = 300;
const OVERTAKINGS_DEFAULT = 64;
const OVERTAKINGS_MAX = 10_000;
/** Threads that run freely are held up by the host as well. */
const FREE_OVERTAKINGS = 32;
const STALL_MS_DEFAULT = 5_000;

/** @param module a path or the URL of a file, whose default export is a LockAdapter @throws UsageError for a bad option or a module without one */
export async function tortureLock(module: string | URL, options: TortureOptions = {}): Promise<TortureResult> {
  const { threads = THREADS_DEFAULT, seconds = SECONDS_DEFAULT, schedules = SCHEDULES_DEFAULT, seed = 1 } = options;
  const { overtakings = OVERTAKINGS_DEFAULT, stallMs = STALL_MS_DEFAULT, signal } = options;
  checkNumber('threads', threads, 2, TORTURE_THREADS_MAX);
  checkNumber('schedules', schedules, 0, 1_000_000);
  checkNumber('overtakings', overtakings, 1, OVERTAKINGS_MAX);
  if (!(seconds >= 0 && seconds < 1e6)) throw new UsageError(`seconds is ${seconds}, but it must be 0 or more.`);
  const place = await placeOf(module);
  const probed = await probe(place, threads, stallMs);
  const common = { threads, seed, overtakings };
  if (probed === undefined) {
    const finding = {
      fault: 'hang',
      message: `one thread alone did not get a lock that nobody holds, and leave it, within ${stallMs} ms`,
      lines: [],
    };
    return {
      ...common,
      name: place.where,
      kind: 'unknown',
      takesTurns: false,
      free: [],
      lockstep: [],
      verdict: 'FAILURE',
      findings: [finding],
    };
  }
  const { name, kind, steps } = probed;
  const exclusive = kind === 'exclusive';
  const takesTurns = steps > 0;
  const lockstep =
    takesTurns && schedules > 0
      ? await tortureInLockstep({ ...place, threads, exclusive, overtakingsMax: overtakings, schedules, seed, stallMs, signal })
      : [];
  const free: FreeTortureResult[] = [];
  for (const pattern of exclusive ? (['mixed'] as const) : (['mixed', 'overlap'] as const)) {
    if (seconds > 0 && signal?.aborted !== true)
      free.push(await runFreely(place, pattern, exclusive, { ...options, ...common, seconds, stallMs }));
  }
  const findings = [...lockstep, ...free].flatMap(({ finding }) => (finding === undefined ? [] : [finding]));
  return { ...common, name, kind, takesTurns, free, lockstep, verdict: findings.length === 0 ? 'SUCCESS' : 'FAILURE', findings };
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new UsageError(`${name} is ${value}, but it must be a whole number from ${least} to ${most}.`);
}

async function runFreely(
  place: AdapterPlace,
  pattern: Pattern,
  exclusive: boolean,
  options: Required<Omit<TortureOptions, 'signal' | 'schedules'>> & TortureOptions,
): Promise<FreeTortureResult> {
  const { threads, seconds, seed, stallMs, signal, overtakings } = options;
  const shared = (await loadAdapter(place.href, place.where)).create(threads);
  const state = createTortureState();
  const writers = exclusive ? threads : pattern === 'overlap' ? 1 : Math.max(1, threads >> 1);
  const [usage, since] = [process.cpuUsage(), performance.now()];
  const finding = await tortureFreely({
    ...place,
    shared,
    state,
    threads,
    writers,
    pattern,
    exclusive,
    stallMs,
    signal,
    seed,
    ms: seconds * 1000,
    overtakingsMax: overtakings * FREE_OVERTAKINGS,
  });
  const ms = performance.now() - since;
  const { user, system } = process.cpuUsage(usage);
  const all = Array.from({ length: threads }, (_, thread) => thread);
  const most = (field: number): number => Math.max(...all.map((thread) => state[at(thread, field)] as number));
  return {
    pattern,
    writers,
    readers: threads - writers,
    ms,
    cpus: (user + system) / 1000 / ms,
    writes: countsOf(state, all.slice(0, writers), T_WRITES),
    reads: countsOf(state, all.slice(writers), T_READS),
    missedTries: all.reduce((sum, thread) => sum + (state[at(thread, T_MISSED)] as number), 0),
    overtaken: Math.max(0, most(T_OVERTAKEN_MAX)),
    longestWaitMs: most(T_LONGEST_US) / 1000,
    finding,
  };
}

function countsOf(state: TortureState, threads: readonly number[], field: number): AcquisitionCounts {
  const counts = threads.map((thread) => state[at(thread, field)] as number);
  if (counts.length === 0) return { total: 0, max: 0, min: 0 };
  return { total: counts.reduce((sum, one) => sum + one, 0), max: Math.max(...counts), min: Math.min(...counts) };
}

/**
 * A torture in lock-step: for each strategy many schedules of one lock, until one fails. What fails is repeated by the same options.
 * Next: lockstep_torture_work.ts is what each thread does
 */
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { choicesText } from '../lockstep/choices.ts';
import { type Failure, type LockstepResult, runLockstep } from '../lockstep/run_lockstep.ts';
import { strategyPlan } from '../lockstep/strategy_plan.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { loadAdapter } from './adapter.ts';
import type { TortureFinding } from './free_torture.ts';
import { sharedMemories } from './shared_memories.ts';
import type { AdapterPlace, LockstepTortureOrder, Pattern } from './torture_order.ts';
import { at, createTortureState, isFree, placeLines, T_OVERTAKEN_MAX, type TortureState } from './torture_state.ts';
import { WordNumbers } from './turn_atomics.ts';

const WORK = new URL('./lockstep_torture_work.js', import.meta.url);
const STILL_MAX = 20_000;

/** One search: a strategy, what the threads do, and how much of it. */
interface Search {
  readonly strategy: string;
  readonly bound?: number;
  readonly pattern: Pattern;
  readonly threads: number;
  readonly rounds: number;
  /** A share of the schedules that were asked for. */
  readonly share: number;
}

const searches = (threads: number, exclusive: boolean, overtakings: number): readonly Search[] => [
  { strategy: 'dfs', bound: 2, pattern: 'mixed', threads: 2, rounds: 2, share: 2 },
  { strategy: 'pct', pattern: 'mixed', threads, rounds: 6, share: 1 },
  { strategy: 'random', pattern: 'mixed', threads, rounds: 6, share: 0.5 },
  { strategy: 'rr', pattern: 'mixed', threads, rounds: 6, share: 0.1 },
  ...(exclusive
    ? []
    : (['rr', 'random'] as const).map((strategy) => {
        // With fewer than two readers nobody is there for a reader to overlap with.
        const all = Math.max(3, threads);
        return { strategy, pattern: 'overlap' as const, threads: all, rounds: Math.ceil((2 * overtakings) / (all - 1)) + 2, share: 0.02 };
      })),
];

export interface LockstepTortureOptions extends AdapterPlace {
  readonly threads: number;
  readonly exclusive: boolean;
  readonly overtakingsMax: number;
  readonly schedules: number;
  readonly seed: number;
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What one search came to. */
export interface SearchResult {
  readonly strategy: string;
  readonly pattern: Pattern;
  readonly threads: number;
  readonly schedules: number;
  readonly steps: number;
  /** Of all operations in their order: the same options, the same number. */
  readonly hash: number;
  /** All schedules of the case were seen. */
  readonly exhausted: boolean;
  /** Most readers that overtook a waiting writer. */
  readonly overtaken: number;
  readonly finding: (TortureFinding & { readonly schedule: number; readonly choices: string; readonly hash: number }) | undefined;
}

/** Ends with the first search that finds something. */
export async function tortureInLockstep(options: LockstepTortureOptions): Promise<SearchResult[]> {
  const results: SearchResult[] = [];
  let machine: Machine | undefined;
  try {
    for (const search of searches(options.threads, options.exclusive, options.overtakingsMax)) {
      if (options.signal?.aborted === true) break;
      if (machine?.config.cpus !== search.threads) {
        await machine?.close();
        machine = await bootMachine({
          cpus: search.threads,
          size: LOCKS_ONLY_SIZE,
          trace: false,
          seed: options.seed,
          stallMs: options.stallMs,
        });
      }
      const result = await searchOn(machine, search, options);
      results.push(result);
      if (result.finding !== undefined) break;
    }
    return results;
  } finally {
    await machine?.close();
  }
}

async function searchOn(machine: Machine, search: Search, options: LockstepTortureOptions): Promise<SearchResult> {
  const { strategy, pattern, threads, rounds, share } = search;
  const { href, where, overtakingsMax, seed, signal } = options;
  const shared = (await loadAdapter(href, where)).create(threads);
  const state = createTortureState();
  const order: LockstepTortureOrder = { href, where, shared, state, threads, pattern, rounds, overtakingsMax };
  const result = await runLockstep(machine, {
    work: WORK,
    data: () => order,
    plan: strategyPlan(strategy, search.bound === undefined ? {} : { bound: search.bound }),
    seed,
    schedules: Math.max(2, Math.round(options.schedules * share)),
    ...(strategy === 'dfs' ? { programSeed: seed } : {}),
    stillMax: STILL_MAX,
    ...(signal === undefined ? {} : { signal }),
  });
  const [failure] = result.failures;
  const numbers = new WordNumbers(sharedMemories(shared, where));
  return {
    strategy,
    pattern,
    threads,
    schedules: result.schedules,
    steps: result.steps,
    hash: result.hash,
    exhausted: result.exhausted,
    overtaken: overtakenMost(state, threads),
    finding: failure === undefined ? undefined : findingOf(failure, result, state, threads, options, numbers),
  };
}

const overtakenMost = (state: TortureState, threads: number): number =>
  Array.from({ length: threads }, (_, thread) => state[at(thread, T_OVERTAKEN_MAX)] as number).reduce(
    (most, one) => Math.max(most, one),
    0,
  );

/** What a thread threw has its name before it: `LockFault: exclusion: ...`. */
function findingOf(
  failure: Failure,
  { hung }: LockstepResult,
  state: TortureState,
  threads: number,
  { exclusive }: LockstepTortureOptions,
  numbers: WordNumbers,
): NonNullable<SearchResult['finding']> {
  const first = failure.findings[0];
  const [, fault, message] = /^LockFault: ([^:]+): (.*)$/s.exec(first?.message ?? '') ?? [];
  const lines = placeLines(state, threads, exclusive, (word) => numbers.describe(word));
  // Everybody sleeps. When nobody holds the lock, it is a wake-up that is missing, and not a thread that keeps what another one wants.
  const forgotten = first?.id === 'deadlock' && isFree(state, threads);
  return {
    fault: fault ?? (forgotten ? 'lost wake-up' : (first?.id ?? 'unknown')),
    message: forgotten
      ? 'deadlock: everybody who is left sleeps for the lock, and the lock is free: nobody holds it or is in an unlock'
      : (message ?? (hung ? 'a thread waits outside of the Atomics object that it was given' : (first?.message ?? ''))),
    lines,
    schedule: failure.schedule,
    choices: choicesText(failure.choices),
    hash: failure.hash,
  };
}

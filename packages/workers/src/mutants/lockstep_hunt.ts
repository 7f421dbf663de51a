/**
 * Hunts in lock-step on one machine: it is laid out once, and then explored with strategy after strategy and seed after seed. What is caught counts
 * as an exact replay only after it was replayed: the same operations in the same order, and the same rule broken at the same one.
 * Next: kill_matrix.ts
 */
import { again } from '../lockstep/again.ts';
import { type ExploreFailure, type LaidOut, layOut } from '../lockstep/explore.ts';
import type { LockstepStrategy } from './engines.ts';
import type { HuntResult } from './hunt.ts';
import type { LockstepHunt } from './lockstep_hunts.ts';

export interface LockstepLimits {
  readonly strategy: LockstepStrategy;
  readonly seed: number;
  readonly schedules: number;
  readonly signal?: AbortSignal;
}

/** How one hunt ended, and whether it can be had again. */
export interface LockstepHuntResult extends HuntResult {
  readonly failure: ExploreFailure | undefined;
  readonly exact: boolean;
}

/** Of the layout; the seed of a hunt is that of its schedules. */
const LAYOUT_SEED = 1;
/** Preemptions of a schedule of dfs: with one, a small case ends. */
const DFS_BOUND = 1;
/** However slow the host is. */
const SECONDS_MAX = 20;

export class LockstepHunter implements AsyncDisposable {
  readonly #hunt: LockstepHunt;
  #machine: LaidOut | undefined;

  constructor(hunt: LockstepHunt) {
    this.#hunt = hunt;
  }

  /** @param mutant undefined: the right model runs the same */
  async run(mutant: string | undefined, { strategy, seed, schedules, signal }: LockstepLimits): Promise<LockstepHuntResult> {
    const { depth, patience } = this.#hunt;
    const planted = mutant === undefined ? {} : { mutant };
    const machine = await this.#laidOut();
    const startedMs = performance.now();
    const { first, schedules: tried } = await machine.explore({
      strategy,
      seed,
      schedules: schedules * patience,
      seconds: SECONDS_MAX,
      ...(strategy === 'dfs' ? { bound: DFS_BOUND } : {}),
      ...(strategy === 'pct' && depth !== undefined ? { depth } : {}),
      ...planted,
      ...(signal === undefined ? {} : { signal }),
    });
    const seconds = (performance.now() - startedMs) / 1000;
    const caught = first === undefined ? undefined : { by: first.invariant, message: first.message };
    return { caught, seconds, schedules: tried, failure: first, exact: first !== undefined && (await this.#repeats(first, planted)) };
  }

  async #repeats(failure: ExploreFailure, planted: { readonly mutant?: string }): Promise<boolean> {
    const machine = this.#machine;
    if (machine?.usable !== true) return false;
    const { choices, programSeed } = failure;
    const { first } = await machine.explore({ ...planted, choices, programSeed, schedules: 1 });
    return first !== undefined && isSame(first, failure);
  }

  async #laidOut(): Promise<LaidOut> {
    if (this.#machine?.usable === true) return this.#machine;
    await this.#machine?.[Symbol.asyncDispose]();
    const { scenario, policy, cpus, ops } = this.#hunt;
    this.#machine = await layOut({ scenario, policy, cpus, count: ops, seed: LAYOUT_SEED });
    return this.#machine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
  }
}

const isSame = (one: ExploreFailure, other: ExploreFailure): boolean =>
  one.hash === other.hash && one.steps === other.steps && one.invariant === other.invariant;

/** A machine of its own repeats the failure from the word that names it. */
export async function repeatsFromWord({ failure }: LockstepHuntResult): Promise<boolean> {
  if (failure?.again === undefined) return false;
  const { first, same } = await again(failure.again);
  return same && first !== undefined && isSame(first, failure);
}

/**
 * Strategies by name, and as plain data that crosses threads.
 * Next: strategies/pct.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { Anchor } from './anchors.ts';
import type { Choices } from './choices.ts';
import { Anchored } from './strategies/anchored.ts';
import { DepthFirst } from './strategies/depth_first.ts';
import { Exhaustive } from './strategies/exhaustive.ts';
import { PartialOrderSampling } from './strategies/partial_order_sampling.ts';
import { PCT_DEPTH_MAX, Pct } from './strategies/pct.ts';
import { RandomWalk } from './strategies/random_walk.ts';
import { Replay } from './strategies/replay.ts';
import { RoundRobin } from './strategies/round_robin.ts';
import type { Strategy } from './strategy.ts';

export const STRATEGY_NAMES = ['pct', 'random', 'pos', 'dfs', 'exhaustive', 'rr'] as const;
export type StrategyName = (typeof STRATEGY_NAMES)[number];

export type StrategyPlan =
  /** `depth`: one more than the places at which a CPU falls behind. */
  | { readonly kind: 'pct'; readonly depth: number }
  | { readonly kind: 'random' | 'pos' | 'exhaustive' | 'rr' }
  /** `bound`: most preemptions of a schedule. */
  | { readonly kind: 'dfs'; readonly bound: number }
  | { readonly kind: 'replay'; readonly choices: Choices }
  /** For shrinking: a schedule as near to these choices as the programs allow. */
  | { readonly kind: 'anchored'; readonly anchors: readonly Anchor[] };

const PCT_DEPTH_DEFAULT = 3;
const DFS_BOUND_DEFAULT = 2;

/** @throws UsageError naming the known strategies */
export function strategyPlan(name: string, options: { readonly depth?: number; readonly bound?: number } = {}): StrategyPlan {
  const { depth = PCT_DEPTH_DEFAULT, bound = DFS_BOUND_DEFAULT } = options;
  switch (name) {
    case 'pct':
      if (!Number.isInteger(depth) || depth < 1 || depth > PCT_DEPTH_MAX) {
        throw new UsageError(`The depth of pct is ${depth}, but it must be a whole number from 1 to ${PCT_DEPTH_MAX}.`);
      }
      return { kind: name, depth };
    case 'random':
    case 'pos':
    case 'exhaustive':
    case 'rr':
      return { kind: name };
    case 'dfs':
      return { kind: name, bound };
    default:
      throw new UsageError(`There is no strategy ${JSON.stringify(name)}; choose from ${STRATEGY_NAMES.join(', ')}.`);
  }
}

/** The same on every thread. @param seed of the exploration */
export function makeStrategy(plan: StrategyPlan, seed: number): Strategy {
  switch (plan.kind) {
    case 'pct':
      return new Pct(seed, plan.depth);
    case 'random':
      return new RandomWalk(seed);
    case 'pos':
      return new PartialOrderSampling(seed);
    case 'dfs':
      return new DepthFirst(plan.bound);
    case 'exhaustive':
      return new Exhaustive();
    case 'rr':
      return new RoundRobin();
    case 'replay':
      return new Replay(plan.choices);
    case 'anchored':
      return new Anchored(plan.anchors);
  }
}

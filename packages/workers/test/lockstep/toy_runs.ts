/** Explorations of toys, on a machine without memory management. */
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';

import type { Role } from '@faultlab/workers/lockstep/lockstep_order';
import { type LockstepResult, type LockstepRun, runLockstep } from '@faultlab/workers/lockstep/run_lockstep';
import { type StrategyPlan, strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { bootMachine, type Machine } from '@faultlab/workers/machine';
import type { Toy } from './toys.work.ts';
import type { Expected } from './toys_check.work.ts';

export interface ToyRun extends Partial<Omit<LockstepRun, 'work' | 'data' | 'check' | 'plan' | 'role'>> {
  readonly toy: Toy;
  readonly plan?: StrategyPlan;
  readonly expected?: Expected;
  readonly roles?: readonly Role[];
}

/** Explorations one after the other on one machine: starting its threads takes longer than most of them. */
export async function withToys(
  cpus: number,
  body: (explore: (run: ToyRun) => Promise<LockstepResult>) => Promise<void>,
  stallMs = 8_000,
): Promise<void> {
  await using machine = await bootMachine({ cpus, stallMs, trace: false, size: { ...LOCKS_ONLY_SIZE } });
  await body((run) => exploreOn(machine, run));
}

/** One exploration on a machine of its own. */
export async function exploreToy(run: ToyRun & { readonly cpus: number; readonly stallMs?: number }): Promise<LockstepResult> {
  const { cpus, stallMs = 8_000, ...rest } = run;
  await using machine = await bootMachine({ cpus, stallMs, trace: false, size: { ...LOCKS_ONLY_SIZE } });
  return await exploreOn(machine, rest);
}

function exploreOn(machine: Machine, run: ToyRun): Promise<LockstepResult> {
  const { toy, plan = { kind: 'random' }, expected, roles, ...rest } = run;
  return runLockstep(machine, {
    work: new URL('./toys.work.js', import.meta.url),
    data: () => toy,
    plan,
    seed: 1,
    schedules: 1_000_000,
    ...(expected === undefined ? {} : { check: { module: new URL('./toys_check.work.js', import.meta.url), data: expected } }),
    ...(roles === undefined ? {} : { role: (cpu) => roles[cpu] ?? 'program' }),
    ...rest,
  });
}

/** The search of everything, with at most so many preemptions. */
export const dfs = (bound = 24): StrategyPlan => strategyPlan('dfs', { bound });

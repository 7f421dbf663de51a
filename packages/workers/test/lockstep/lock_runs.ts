/**
 * Runs lock cases: a machine for each number of CPUs and policy, all cases of it in turn.
 * Next: lock_cases.work.ts
 */
import { assert, type Tester } from '@faultlab/test-support';
import { type LockstepResult, runLockstep } from '@faultlab/workers/lockstep/run_lockstep';
import { strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { bootMachine, type Machine } from '@faultlab/workers/machine';
import type { LockCase } from './lock_cases.ts';

const SIZE = {
  mms: 2,
  vmas: 8,
  frames: 64,
  tables: 8,
  anonVmas: 4,
  avcs: 4,
  mappings: 0,
  xaNodes: 0,
  swaps: 0,
  swapSlots: 0,
  userfaultfds: 0,
  devices: 0,
  deviceRequests: 0,
  deviceBlocks: 0,
  traceEntries: 0,
  userWords: 256,
};
const US_PER_MS = 1000;
/** More schedules than any case has. */
const SCHEDULES_MAX = 1_000_000;
export const POLICY = 'linux-6.18';

export async function bootForLocks(cpus: number, policy: string): Promise<Machine> {
  const machine = await bootMachine({ cpus, policy, size: SIZE, trace: false, stallMs: 30_000 });
  await machine.run({ work: new URL('./lock_setup.work.js', import.meta.url), data: () => null, cpus: [0] });
  return machine;
}

/** LOCK_CASES=long is for a night; LOCK_CASES_SHOW=1 prints what each case has. */
const LONG = process.env['LOCK_CASES'] === 'long';
const SHOW = process.env['LOCK_CASES_SHOW'] !== undefined;
const DEADLINE_MS = LONG ? 3_600_000 : 100_000;

const boundOf = ({ bound, long = bound }: LockCase): number | undefined => (LONG ? (long === 'all' ? undefined : long) : bound);

export function exploreCase(machine: Machine, one: LockCase): Promise<LockstepResult> {
  const { calls, tickMs = 0 } = one;
  const bound = boundOf(one);
  return runLockstep(machine, {
    work: new URL('./lock_cases.work.js', import.meta.url),
    data: (cpu) => calls[cpu],
    plan: bound === undefined ? strategyPlan('exhaustive') : strategyPlan('dfs', { bound }),
    seed: 1,
    schedules: SCHEDULES_MAX,
    spin: false,
    tickUs: tickMs * US_PER_MS,
  });
}

/** Adds a test for each machine that the cases need: every interleaving is seen, and none is bad. */
export function checkLocks(test: Tester, cases: readonly LockCase[]): void {
  const groups = new Map<string, LockCase[]>();
  for (const one of cases) {
    const key = `${one.calls.length} CPUs, ${one.policy ?? POLICY}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }

  for (const [key, own] of groups) {
    test(
      `with ${key}: ${own.map(({ name }) => name).join('; ')}`,
      async () => {
        const [first] = own;
        await using machine = await bootForLocks(first?.calls.length ?? 0, first?.policy ?? POLICY);
        for (const one of own) {
          const result = await exploreCase(machine, one);
          const [failure] = result.failures;
          if (SHOW) console.log(one.name, result.schedules, result.covered, Math.round(result.wallMs));
          assert.is(result.failing, 0, `${one.name}: ${JSON.stringify(failure?.findings)} after ${JSON.stringify(failure?.choices)}`);
          assert.ok(result.exhausted && result.covered.startsWith('all '), `${one.name}: ${result.covered}`);
        }
      },
      { deadlineMs: DEADLINE_MS },
    );
  }
}

/**
 * The scenarios of memory pressure, and those that draw everything, under one policy after the other: each on a machine that runs them all, because
 * most of the time goes into starting one.
 */
import { assert, type suite } from '@faultlab/test-support';
import { bootMachine, machineFor, policies, runScenarioOn, scenarioByName } from '@faultlab/workers';

const PATIENT = { deadlineMs: 100_000 };
const SMOKE = { cpus: 3, seconds: 0.1, seed: 7, stallMs: 10_000 };

const pressed = [
  'refault_thrash',
  'working_set_far_beyond_memory',
  'split_one_large',
  'split_many_small',
  'reclaim_vs_faults',
  'cgroup_limit_changes',
  'swarm',
  'storage_swarm',
].map(scenarioByName);

/** A machine has many threads, so there is a file of tests for each part of the policies, and every policy is in one of them. */
export const PARTS = 4;

export function pressureUnder(test: ReturnType<typeof suite>, part: number): void {
  for (const { name } of policies.filter((_, number) => number % PARTS === part)) {
    test(
      `memory is short, swarms draw what they do, and all ends well, under ${name}`,
      async () => {
        await using machine = await bootMachine({ cpus: SMOKE.cpus, stallMs: SMOKE.stallMs, ...machineFor(pressed), policy: name });
        for (const scenario of pressed) {
          const result = await runScenarioOn(machine, scenario, { seconds: SMOKE.seconds, seed: SMOKE.seed });
          assert.is(
            result.verdict,
            'success',
            `${scenario.name}: ${JSON.stringify(result.violations)} ${result.postMortem?.message ?? ''}`,
          );
          assert.ok(result.ops > 0, scenario.name);
          assert.is(result.policy, name);
        }
      },
      PATIENT,
    );
  }
}

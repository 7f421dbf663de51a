/**
 * The scenarios that draw everything, under every policy.
 */
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, machineFor, policies, runScenarioOn, scenarioByName } from '@faultlab/workers';

const test = suite('swarms');
const PATIENT = { deadlineMs: 60_000 };
const SMOKE = { cpus: 3, seconds: 0.2, seed: 7, stallMs: 5_000 };

const drawn = ['swarm', 'storage_swarm'].map(scenarioByName);
for (const { name } of policies) {
  test(
    `the swarms end well under ${name}`,
    async () => {
      await using machine = await bootMachine({ cpus: SMOKE.cpus, stallMs: SMOKE.stallMs, ...machineFor(drawn), policy: name });
      for (const scenario of drawn) {
        const result = await runScenarioOn(machine, scenario, { seconds: SMOKE.seconds, seed: SMOKE.seed });
        assert.is(result.verdict, 'success', `${scenario.name}: ${JSON.stringify(result.violations)} ${result.postMortem?.message ?? ''}`);
        assert.is(result.policy, name);
      }
    },
    PATIENT,
  );
}

test.run();

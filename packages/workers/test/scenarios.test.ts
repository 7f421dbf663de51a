/**
 * Every scenario in smoke size, on real threads.
 */
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, machineFor, type RunResult, runScenarioOn, scenarios } from '@faultlab/workers';

const test = suite('scenarios');
/** Generous: the machine may be busy, and a deadline is no measurement. */
const PATIENT = { deadlineMs: 60_000 };
const SMOKE = { cpus: 3, seconds: 0.1, seed: 7, stallMs: 5_000 };

/** What went wrong, in a line. */
const told = ({ verdict, violations, postMortem }: RunResult): string =>
  `${verdict}: ${JSON.stringify(violations)} ${postMortem?.message ?? ''}`;

// One machine for a few of them at a time: what one leaves behind meets the next, and a failure still has few suspects.
const GROUP = 5;
const sound = scenarios.filter(({ mustFail }) => mustFail === undefined);
for (let first = 0; first < sound.length; first += GROUP) {
  const group = sound.slice(first, first + GROUP);
  test(
    `${group.map(({ name }) => name).join(', ')} end as they have to`,
    async () => {
      await using machine = await bootMachine({ cpus: SMOKE.cpus, stallMs: SMOKE.stallMs, ...machineFor(group) });
      assert.is(machine.config.sysctl.lru, 1);
      for (const scenario of group) {
        const result = await runScenarioOn(machine, scenario, { seconds: SMOKE.seconds, seed: SMOKE.seed });
        assert.ok(result.asExpected, `${scenario.name}: ${told(result)}`);
        assert.ok(result.ops > 0, scenario.name);
      }
    },
    PATIENT,
  );
}

test(
  'one machine without reclaim by age runs all scenarios one after the other',
  async () => {
    await using machine = await bootMachine({ cpus: 2, ...machineFor(sound), sysctl: { lru: 0 } });
    for (const scenario of sound) {
      const result = await runScenarioOn(machine, scenario, { count: 60 });
      assert.is(result.verdict, 'success', `${scenario.name}: ${told(result)}`);
    }
  },
  PATIENT,
);

test.run();

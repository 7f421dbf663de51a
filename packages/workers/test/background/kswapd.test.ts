/** kswapd as a thread of a machine: it works beside the programs, ends with them, and is watched and reported like them. */
import { UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, op, runPrograms, runScenario, runScenarioOn, scenarioByName } from '@faultlab/workers';
import { parseInject } from '@faultlab/workers/inject/parse_inject';

const test = suite('kswapd as a thread');
const DEADLINE = { deadlineMs: 60_000 };

test(
  'it reclaims while programs run, on a CPU of its own that is not one of the run',
  async () => {
    const result = await runScenario('kswapd_pressure', { cpus: 2, count: 500, seed: 7, verify: true });
    assert.equal([result.verdict, result.violations], ['success', []]);
    assert.is(result.opsByCpu.length, 2);
    assert.ok(result.counters.pageoutrun > 0 && result.counters.pgsteal_kswapd > 0);
  },
  DEADLINE,
);

test(
  'a machine keeps it through many runs, and leaves no thread',
  async () => {
    const machine = await bootMachine({ cpus: 2, background: ['kswapd'] });
    assert.is(machine.backgroundWorkers.length, 1);
    for (let round = 0; round < 3; round++) {
      const result = await runPrograms(machine, { setup: [], program: () => ({ regions: [], count: 10, body: { list: [op('nop')] } }) });
      assert.is(result.verdict, 'success');
    }
    const [worker] = machine.backgroundWorkers;
    await machine.close();
    assert.is(worker?.threadId, -1, 'the thread has ended');
  },
  DEADLINE,
);

test(
  'a report of a stall says what it is in',
  async () => {
    const result = await runScenario('kswapd_pressure', {
      cpus: 1,
      seconds: 20,
      seed: 3,
      inject: parseInject('silent_device:after=40'),
      stallMs: 1500,
    });
    assert.is(result.verdict, 'stall');
    assert.match(result.postMortem?.message ?? '', /^ *3 +\w+ +kswapd thread /m);
  },
  DEADLINE,
);

test('a scenario that needs it is refused by a machine without it', async () => {
  const scenario = scenarioByName('kswapd_pressure');
  await using machine = await bootMachine({ cpus: 1, devices: [...(scenario.devices ?? [])] });
  try {
    await runScenarioOn(machine, scenario, { count: 1 });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UsageError);
    assert.match((error as Error).message, /^Scenario kswapd_pressure needs the background thread kswapd; .*machineFor/);
  }
});

test.run();

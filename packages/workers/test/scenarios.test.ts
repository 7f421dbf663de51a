/**
 * Every scenario in smoke size, on real threads, and the canary, which has to fail for its own reason.
 */
import { assert, suite } from '@faultlab/test-support';
import {
  bootMachine,
  op,
  policies,
  runPrograms,
  runScenario,
  runScenarioOn,
  scenarioByName,
  scenarios,
  UsageError,
} from '@faultlab/workers';

const test = suite('scenarios');
/** Generous: the machine may be busy, and a deadline is no measurement. */
const PATIENT = { deadlineMs: 60_000 };
const UNTIL_IT_FAILS = 40;
const SMOKE = { cpus: 3, seconds: 0.2, seed: 7, stallMs: 5_000 };

for (const scenario of scenarios) {
  test(
    `${scenario.name} ends as it has to`,
    async () => {
      // A run that must fail ends as soon as it has; how long that takes on a busy machine nobody knows.
      const seconds = scenario.mustFail === undefined ? SMOKE.seconds : UNTIL_IT_FAILS;
      const result = await runScenario(scenario, { ...SMOKE, seconds });
      assert.ok(result.asExpected, `${result.verdict}: ${JSON.stringify(result.violations)} ${result.postMortem?.message ?? ''}`);
      if (scenario.mustFail === undefined) assert.ok(result.opsByCpu.every((ops) => ops > 0));
    },
    PATIENT,
  );
}

for (const { name } of policies) {
  test(
    `swarm ends well under ${name}`,
    async () => {
      const result = await runScenario('swarm', { ...SMOKE, policy: name });
      assert.is(result.verdict, 'success', result.postMortem?.message);
      assert.is(result.policy, name);
    },
    PATIENT,
  );
}

test('the canary is caught because two CPUs were inside one lock, and the others are told what they were doing', async () => {
  const result = await runScenario('canary', { ...SMOKE, seconds: UNTIL_IT_FAILS });
  assert.is(result.verdict, 'failure');
  // One CPU finds it, or several at the same moment; nothing else is found.
  assert.equal([...new Set(result.violations.map((violation) => violation.id))], ['exclusion']);
  const guilty = result.violations[0]?.cpu ?? -1;
  assert.match(result.postMortem?.lastOps[guilty]?.at(-1) ?? '', /^count_busted times=\d+ \(in it\)$/);
  assert.is(result.postMortem?.state.length, SMOKE.cpus);
});

test('the same counter under a right lock is never lost', async () => {
  await using machine = await bootMachine({ cpus: 3 });
  const body = { list: [op('count_locked', 20)] };
  const result = await runPrograms(machine, { setup: [], program: () => ({ regions: [], body }), seconds: 0.3 });
  assert.is(result.verdict, 'success');
  assert.ok(machine.usable);
});

test('a count ends a program after so many operations, and the result says what they were', async () => {
  const result = await runScenario('disjoint_anon', { cpus: 2, count: 500 });
  assert.equal(result.opsByCpu, [500, 500]);
  assert.is(
    result.outcomes.reduce((sum, { count }) => sum + count, 0),
    1000,
  );
  assert.ok(result.latency.some((summary) => summary.path.startsWith('fault:') && summary.p50 > 0 && summary.max >= summary.p50));
});

test('one machine runs scenarios one after the other', async () => {
  await using machine = await bootMachine({ cpus: 2 });
  for (const scenario of scenarios.filter(({ mustFail }) => mustFail === undefined)) {
    const result = await runScenarioOn(machine, scenario, { count: 60 });
    assert.is(result.verdict, 'success', `${scenario.name}: ${JSON.stringify(result.violations)} ${result.postMortem?.message ?? ''}`);
  }
});

test('a thread that dies in the middle of a scenario gives a result that names its CPU', async () => {
  await using machine = await bootMachine({ cpus: 3 });
  const ids = await machine.threadIds();
  setTimeout(() => void machine.workers.find((worker) => worker.threadId === ids[1])?.terminate(), 100);
  const result = await runScenarioOn(machine, scenarioByName('mprotect_storm'), { seconds: 60 });
  assert.is(result.verdict, 'death');
  assert.match(result.postMortem?.message ?? '', /CPU 1 died: its thread ended in the middle of its work/);
  assert.not(result.asExpected);
  assert.not(machine.usable);
});

test('a record that is wrong after the run is found by the sweep, and makes the run a failure', async () => {
  await using machine = await bootMachine({ cpus: 2 });
  const run = { setup: [], program: () => ({ regions: [], body: { list: [op('nop')] }, count: 1 }) };
  assert.is((await runPrograms(machine, run)).verdict, 'success');
  // The last frame, which is free, gets a record full of nonsense.
  const { folios, size } = machine.memory;
  folios.fill(7, folios.length - folios.length / size.frames);
  const result = await runPrograms(machine, run);
  assert.is(result.verdict, 'failure');
  assert.ok(result.violations.length > 0 && result.violations.every(({ cpu }) => cpu === undefined));
});

test('programs that would never end are refused', async () => {
  await using machine = await bootMachine({ cpus: 1 });
  try {
    await runPrograms(machine, { setup: [], program: () => ({ regions: [], body: { list: [op('nop')] } }) });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UsageError);
  }
});

test('a layout that does not fit the machine is refused, with what to raise', async () => {
  await using machine = await bootMachine({ cpus: 1, size: { vmas: 8 } });
  try {
    await runScenarioOn(machine, scenarioByName('many_small_areas'), { count: 1 });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UsageError);
    assert.match((error as Error).message, /ENOMEM; raise its size\.$/);
  }
});

test('an aborted run ends early and well', async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  const result = await runScenario('disjoint_anon', { cpus: 2, seconds: 60, signal: abort.signal });
  assert.is(result.verdict, 'success');
  assert.ok(result.wallMs < 10_000);
});

test(
  '64 CPUs run a scenario',
  async () => {
    const result = await runScenario('munmap_storm', { cpus: 64, count: 20, size: { traceEntries: 64 } });
    assert.is(result.verdict, 'success', result.postMortem?.message);
    assert.is(result.ops, 64 * 20);
  },
  { deadlineMs: 60_000 },
);

test.run();

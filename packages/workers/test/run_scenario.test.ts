/**
 * What running a scenario promises, however the scenario goes: it ends when it is told to, and a failure, a death and a misfit are told for what they
 * are.
 */
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, devicesFor, op, runPrograms, runScenario, runScenarioOn, scenarioByName, UsageError } from '@faultlab/workers';

const test = suite('run_scenario');
const UNTIL_IT_FAILS = 40;
const SMOKE = { cpus: 3, seconds: 0.2, seed: 7, stallMs: 5_000 };

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

test('a machine without the devices of a scenario refuses it, and one with too few CPUs too', async () => {
  await using machine = await bootMachine({ cpus: 1 });
  for (const [name, why] of [
    ['cold_readers', /^Scenario cold_readers needs a device with the latency "lognormal:.*boot it with machineFor/],
    ['uffd_handoff', /^Scenario uffd_handoff needs 2 CPUs, but there are 1; raise cpus\.$/],
  ] as const) {
    try {
      await runScenarioOn(machine, scenarioByName(name), { count: 1 });
      assert.unreachable();
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, why);
    }
  }
});

test('devices that two scenarios want alike are there once', () => {
  const wanted = { devices: [{ latency: 'fixed:1ms' }, { latency: 'zero' }] };
  assert.equal(devicesFor([wanted, { devices: [{ latency: 'zero' }, { latency: 'zero' }] }]).length, 3);
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

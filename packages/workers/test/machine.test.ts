/**
 * Machines as threads: they boot, work and stop, and whatever a CPU does in the middle of a run ends the run and names the CPU.
 */
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { assert, suite } from '@faultlab/test-support';
import { CpuError } from '@faultlab/workers/errors';
import { bootMachine, type Machine } from '@faultlab/workers/machine';
import type { MachineOptions } from '@faultlab/workers/machine_config';
import type { FinishedRun } from '@faultlab/workers/run_in_progress';
import type { MisbehaveData, Misbehaviour } from './fixtures/misbehave.work.ts';

const test = suite('machine');
const work = new URL('./fixtures/misbehave.work.js', import.meta.url);
const COUNTER = 16;
const SMALL = { mms: 8, vmas: 64, frames: 256, tables: 32, anonVmas: 64, avcs: 64, userWords: 1024 };

/** Runs the work on a fresh machine, `how` on CPU `guilty` and nothing bad on the others. */
async function run(
  how: Misbehaviour,
  options: MachineOptions & { guilty?: number; rounds?: number; seconds?: number },
): Promise<{
  machine: Machine;
  run: FinishedRun<number>;
}> {
  const { guilty = 1, rounds = 0, seconds, ...machineOptions } = options;
  await using machine = await bootMachine({ cpus: 3, size: SMALL, ...machineOptions });
  const data = (cpu: number): MisbehaveData => ({ how: cpu === guilty || how === 'deadlock' ? how : 'none', rounds });
  const finished = await machine.run<MisbehaveData, number>({ work, data, ...(seconds === undefined ? {} : { seconds }) });
  return { machine, run: finished };
}

/** The error that a run ends with. */
async function failure(how: Misbehaviour, options: MachineOptions & { guilty?: number } = {}): Promise<Error> {
  try {
    await run(how, options);
  } catch (error) {
    return error as Error;
  }
  throw new Error(`the run with '${how}' ended well`);
}

for (const cpus of [1, 3, 64]) {
  test(
    `${cpus} CPUs count under a lock, stop, and leave no thread`,
    async () => {
      const rounds = cpus === 64 ? 50 : 2000;
      const { machine, run: finished } = await run('none', { cpus, rounds });
      assert.is(machine.memory.user[COUNTER], cpus * rounds);
      assert.equal(
        finished.reports.map((report) => report.end === 'finished' && report.result),
        Array.from({ length: cpus }, () => rounds),
      );
    },
    { deadlineMs: 60_000 },
  );
}

test('the stop bell ends works that would run for ever', async () => {
  const { run: finished } = await run('none', { seconds: 0.1 });
  assert.ok(finished.reports.every((report) => report.end === 'finished' && report.result > 0));
});

test('a machine runs many times, and refuses to run after it was closed', async () => {
  const machine = await bootMachine({ cpus: 2, size: SMALL });
  for (let round = 0; round < 3; round++) await machine.run<MisbehaveData, number>({ work, data: () => ({ how: 'none', rounds: 10 }) });
  assert.is(machine.memory.user[COUNTER], 60);
  await machine.close();
  await machine.close();
  try {
    await machine.run({ work, data: () => ({ how: 'none', rounds: 10 }) });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UsageError);
  }
});

const deaths: readonly (readonly [Misbehaviour, RegExp])[] = [
  ['throw', /^CPU 1 stopped the machine, because its work threw TypeError: planted/],
  ['early', /^CPU 1 stopped the machine, because its work threw Error: before the gate/],
  ['exit', /^CPU 1 died: its thread ended/],
  ['leak', /^CPU 1 died: its thread ran out of memory/],
];
for (const [how, message] of deaths) {
  test(`a work that does '${how}' ends the run with an error naming its CPU`, async () => {
    const error = await failure(how, { heapMb: 32 });
    assert.instance(error, CpuError);
    assert.match(error.message, message);
  });
}

test('a terminated thread ends the run with an error naming its CPU', async () => {
  await using machine = await bootMachine({ cpus: 3, size: SMALL });
  const ids = await machine.threadIds();
  const running = machine.run<MisbehaveData, number>({ work, data: () => ({ how: 'none', rounds: 0 }) });
  setTimeout(() => void machine.workers.find((worker) => worker.threadId === ids[2])?.terminate(), 50);
  try {
    await running;
    assert.unreachable();
  } catch (error) {
    assert.instance(error, CpuError);
    assert.match((error as Error).message, /^CPU 2 died/);
  }
});

test('a misuse inside a work is a UsageError', async () => {
  assert.instance(await failure('misuse'), UsageError);
});

test('a violation on one CPU freezes the others and is part of the reports', async () => {
  const { machine, run: finished } = await run('violate', {});
  const ends = finished.reports.map((report) => report.end);
  assert.equal(ends, ['frozen', 'violation', 'frozen']);
  const [, guilty] = finished.reports;
  assert.is(guilty?.end === 'violation' && guilty.violation.id, 'I99');
  assert.not(machine.usable);
});

test('a CPU that parks for ever stalls the machine, and the report names it', async () => {
  const error = await failure('park', { stallMs: 300 });
  assert.instance(error, StallError);
  assert.match(error.message, /^CPU 1 has made no progress for 300 ms/);
  assert.match(error.message, /completion of user word 32/);
});

test('a CPU that spins for ever stalls the machine and is killed', async () => {
  const error = await failure('spin', { stallMs: 300 });
  assert.instance(error, StallError);
  assert.match(error.message, /^CPU 1 has made no progress/);
});

test('two CPUs that wait for each other are reported as a circle', async () => {
  const error = await failure('deadlock', { cpus: 2, stallMs: 500 });
  assert.instance(error, StallError);
  assert.match(error.message, /They wait for each other:/);
  assert.match(error.message, /CPU 0 waits for user word 64, which CPU 1 holds/);
});

const refusals: readonly (readonly [MachineOptions, RegExp])[] = [
  [{ cpus: 0 }, /^cpus is 0, but it must be a whole number from 1 to 512\.$/],
  [{ policy: 'linux-9.9' }, /^There is no policy "linux-9.9"; choose one of /],
  [{ stallMs: 1 }, /^stallMs is 1, but/],
  [{ size: { frames: -1 } }, /^size\.frames is -1, but/],
];
for (const [options, message] of refusals) {
  test(`the options ${JSON.stringify(options)} are refused`, async () => {
    try {
      await (await bootMachine(options)).close();
      assert.unreachable();
    } catch (error) {
      assert.instance(error, UsageError);
      assert.match((error as Error).message, message);
    }
  });
}

test.run();

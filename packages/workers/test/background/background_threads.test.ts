/**
 * Background threads of a machine: write-back runs beside the programs, rests between runs, is named by a report of a stall, and dies with the machine
 * or takes it along.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { KTHREAD_WRITEBACK, kthreadCpu } from '@faultlab/core/sched/kthread';
import { assert, suite } from '@faultlab/test-support';
import { allRest } from '@faultlab/workers/background/rest';
import { CpuError } from '@faultlab/workers/errors';
import { bootMachine, type Machine } from '@faultlab/workers/machine';
import { runScenarioOn } from '@faultlab/workers/run_scenario';
import type { Scenario } from '@faultlab/workers/scenario';
import { stripedFile } from '@faultlab/workers/scenarios/layout';
import { diskFile } from '@faultlab/workers/scenarios/storage';

const test = suite('background threads');
const PAGES = 32;
const DISK = { latency: 'fixed:20us' };

/** Everybody dirties pages of one file, far more than may be dirty; nobody but the thread writes them. */
const dirtying: Scenario = {
  name: 'dirtying',
  story: 'only the thread writes back',
  mustSee: ['dirty_throttled', 'nr_written'],
  devices: [DISK],
  sysctl: { dirtyBackground: 4, dirtyThresh: 8 },
  files: () => [diskFile(PAGES)],
  setup: () => [],
  program: (cpu, { cpus }) => ({
    files: [stripedFile('file', PAGES, cpu, cpus)],
    regions: [],
    body: { draw: [{ op: 'fwrite', file: 0, weight: 1 }] },
  }),
};

const boot = (): Promise<Machine> => bootMachine({ cpus: 2, devices: [DISK], background: ['writeback'], stallMs: 10_000 });

test(
  'the thread writes what programs dirty, beyond whatever limit throttles them, and rests afterwards',
  async () => {
    await using machine = await boot();
    assert.is(kthreadCpu(machine.memory, KTHREAD_WRITEBACK), 3, 'behind the CPUs and the device');
    assert.is(machine.backgroundWorkers.length, 1);
    for (let round = 0; round < 2; round++) {
      const result = await runScenarioOn(machine, dirtying, { count: 100 });
      assert.equal([result.verdict, result.unseen, result.violations], ['success', [], []]);
      assert.ok(allRest(machine.memory));
    }
  },
  { deadlineMs: 60_000 },
);

test('a thread that dies takes the machine along, and is named', async () => {
  await using machine = await boot();
  await machine.backgroundWorkers[0]?.terminate();
  await new Promise((resolve) => setTimeout(resolve, 20));
  try {
    await machine.run({ work: new URL('../fixtures/misbehave.work.js', import.meta.url), data: () => null, cpus: [0] });
    assert.unreachable('the run ended well');
  } catch (error) {
    assert.ok(error instanceof CpuError && /writeback thread/.test(error.message), String(error));
  }
});

test('a thread that does not exist is refused', async () => {
  try {
    await bootMachine({ background: ['cron' as 'writeback'] });
    assert.unreachable('it booted');
  } catch (error) {
    assert.ok(error instanceof UsageError && /background names "cron"/.test(error.message), String(error));
  }
});

test.run();

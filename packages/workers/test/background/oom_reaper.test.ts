/** Processes that want more memory than there is are killed, by name and number; the reaper is a thread of the machine, or whoever waits. */
import { EINTR } from '@faultlab/core/base/errno';
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, type MachineOptions, op, type RunResult, runPrograms, runScenario } from '@faultlab/workers';
import { opKind } from '@faultlab/workers/program/op';

const test = suite('processes that are killed');
const DEADLINE = { deadlineMs: 60_000 };
const LIMIT = 80;
const HOGS = 3;

/** Every CPU starts three processes, one after the other, none of which fits into the cgroup. */
async function hogs(options: MachineOptions, oomKiller: number): Promise<RunResult> {
  await using machine = await bootMachine({ ...options, verify: true });
  return await runPrograms(machine, {
    setup: [],
    sysctl: { lru: 1, oomKiller, memoryMax: LIMIT },
    program: () => ({ regions: [], oomKills: oomKiller === 1, count: HOGS, body: { list: [op('memory_hog', 2 * LIMIT)] } }),
  });
}

const ended = ({ outcomes }: RunResult): unknown =>
  outcomes.filter(({ kind }) => kind === opKind('memory_hog')).map(({ result, count }) => [result, count]);

test(
  'a process that can never fit is killed, each time, and its CPU goes on as the next one',
  async () => {
    const result = await hogs({ cpus: 1 }, 1);
    assert.equal([result.verdict, result.violations], ['success', []]);
    assert.equal(ended(result), [[EINTR, HOGS]]);
    assert.is(result.counters.oom_kill, HOGS);
  },
  DEADLINE,
);

test(
  'two CPUs and a reaper: exactly those that cannot fit are killed, and all their memory comes back',
  async () => {
    const result = await hogs({ cpus: 2, background: ['oom_reaper'] }, 1);
    assert.equal([result.verdict, result.violations], ['success', []]);
    assert.equal(ended(result), [[EINTR, 2 * HOGS]]);
    assert.is(result.counters.oom_kill, 2 * HOGS);
  },
  DEADLINE,
);

test(
  'without a killer the same processes are told that there is no memory, and nobody is killed',
  async () => {
    const result = await hogs({ cpus: 1 }, 0);
    assert.equal([result.verdict, result.violations], ['success', []]);
    assert.equal(ended(result), [[0, HOGS]]);
    assert.equal([result.counters.oom_kill, result.counters.oom > 0], [0, true]);
  },
  DEADLINE,
);

for (const policy of ['linux-6.18', 'linux-6.4', 'reacquire']) {
  test(
    `families of processes end in any order under ${policy}, and nothing is left of any`,
    async () => {
      const result = await runScenario('process_tree', { cpus: 3, count: 60, seed: 11, policy, verify: true });
      assert.equal([result.verdict, result.violations], ['success', []], result.postMortem?.message);
    },
    DEADLINE,
  );
}

test.run();

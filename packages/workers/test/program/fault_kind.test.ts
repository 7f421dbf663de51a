/** Faults are timed by their kind, beside their way: each scenario has the kinds that it is about, and every fault that was served is of one kind. */
import { assert, suite } from '@faultlab/test-support';
import { bootMachine, machineFor, runScenarioOn, scenarioByName } from '@faultlab/workers';

const test = suite('fault kinds, timed');
const SERVED = ['fault: vma lock', 'fault: mmap fallback', 'fault: retry'];
const KINDS = ['fault: anonymous', 'fault: file', 'fault: shmem', 'fault: driver', 'fault: major, file read', 'fault: major, swapped in'];
const CASES: readonly (readonly [scenario: string, kind: string])[] = [
  ['disjoint_anon', 'fault: anonymous'],
  ['readahead', 'fault: file'],
  ['cold_readers', 'fault: major, file read'],
  ['shmem_storm', 'fault: shmem'],
  ['driver_fence', 'fault: driver'],
  ['swap_storm', 'fault: major, swapped in'],
];

test(
  'each kind of fault is found in a scenario of its kind',
  async () => {
    const scenarios = CASES.map(([name]) => scenarioByName(name));
    await using machine = await bootMachine({ cpus: 2, ...machineFor(scenarios) });
    for (const [at, [name, kind]] of CASES.entries()) {
      const { latency, verdict } = await runScenarioOn(machine, scenarios[at] as (typeof scenarios)[number], { count: 300, seed: 3 });
      assert.is(verdict, 'success', name);
      const timed = (paths: readonly string[]): number =>
        latency.filter(({ path }) => paths.includes(path)).reduce((sum, summary) => sum + summary.timed, 0);
      assert.ok(timed([kind]) > 0, `${name}: ${JSON.stringify(latency)}`);
      assert.is(timed(KINDS), timed(SERVED), name);
    }
  },
  { deadlineMs: 60_000 },
);

test.run();

/**
 * What an exploration can be asked for besides schedules: sweeps within them, trouble on request, and both stacks of a race.
 */
import { UsageError } from '@faultlab/core/base/errors';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { assert, suite } from '@faultlab/test-support';
import { main } from '@faultlab/workers/cli/main';
import { again } from '@faultlab/workers/lockstep/again';
import { explore, layOut } from '@faultlab/workers/lockstep/explore';
import { exploreFailureBlock } from '@faultlab/workers/lockstep/failure_block';
import { type LockstepResult, runLockstep } from '@faultlab/workers/lockstep/run_lockstep';
import { strategyPlan } from '@faultlab/workers/lockstep/strategy_plan';
import { bootMachine } from '@faultlab/workers/machine';

const test = suite('explorations that look deeper');
const DEADLINE = { deadlineMs: 60_000 };
const SMALL = { scenario: 'munmap_storm', cpus: 2, count: 4, seed: 1 };

test(
  'deep: a break that heals before the end is found while it is there',
  async () => {
    await using machine = await bootMachine({ cpus: 2, trace: false, size: { ...LOCKS_ONLY_SIZE, mms: 2, frames: 64 } });
    const run = (broken: boolean, deep: boolean): Promise<LockstepResult> =>
      runLockstep(machine, {
        work: new URL('./heals.work.js', import.meta.url),
        data: () => broken,
        check: { module: new URL('./heals_check.work.js', import.meta.url) },
        plan: strategyPlan('pct', { depth: 1 }),
        seed: 1,
        schedules: 4,
        deep,
      });
    assert.is((await run(true, false)).failing, 0, 'the sweep after a schedule comes too late');
    const [failure] = (await run(true, true)).failures;
    assert.is(failure?.findings[0]?.id, 'Q05', JSON.stringify(failure));
    assert.match(failure?.findings[0]?.message ?? '', /frame 63 is free, but has 1 references .found at rest/);
    assert.is((await run(false, true)).failing, 0, 'a right machine has nothing to be found');
  },
  DEADLINE,
);

test(
  'deep: sweeps within a schedule leave it as it is',
  async () => {
    await using laidOut = await layOut(SMALL);
    const [plain, deep] = [await laidOut.explore({ schedules: 2 }), await laidOut.explore({ schedules: 2, deep: true })];
    assert.equal([deep.failing, deep.hash, deep.steps], [0, plain.hash, plain.steps]);
  },
  DEADLINE,
);

test(
  'stress --verify deep says so on its last line; another value is refused in one sentence',
  async () => {
    const run = async (how: string): Promise<[number, string, string]> => {
      let [out, errors] = ['', ''];
      const streams = { out: { write: (text: string) => (out += text) }, errors: { write: (text: string) => (errors += text) } };
      const code = await main(
        ['stress', '--scenario', 'disjoint_anon', '--cpus', '1', '--seconds', '0.1', '--seed', '1', '--verify', how],
        streams,
      );
      return [code, out, errors];
    };
    const [code, out] = await run('deep');
    assert.is(code, 0, out);
    assert.match(out, /stress: SUCCESS .*verify=deep.*\n$/);
    assert.equal(await run('deeper'), [2, '', '--verify is "deeper", but it must be "deep"; correct it.\n']);
  },
  DEADLINE,
);

test(
  'injections are events of the schedule: the same seed meets the same trouble, and a failure is repeated with it',
  async () => {
    const inject = 'signal:rate=50%,alloc_fail:rate=10%';
    const options = { ...SMALL, schedules: 3 };
    const hashes = [undefined, inject, inject].map(async (spec) => (await explore({ ...options, ...(spec ? { inject: spec } : {}) })).hash);
    const [without, first, second] = await Promise.all(hashes);
    assert.is(second, first);
    assert.is.not(first, without, 'nothing was injected');
    const { first: failure } = await explore({ scenario: 'canary', cpus: 2, count: 6, seed: 1, schedules: 50, inject });
    assert.match(failure?.again ?? '', /:signal%3Arate%3D50%25/);
    assert.ok((await again(failure?.again ?? '')).same, failure?.again);
  },
  DEADLINE,
);

test('an injection that takes time is refused in lock-step', async () => {
  const error = await explore({ ...SMALL, inject: 'delay' }).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof UsageError && /delay is for threads that run freely/.test(error.message), String(error));
});

test(
  'a race is told with both stacks',
  async () => {
    const { first } = await explore({ scenario: 'stack_growth', cpus: 3, seed: 3, schedules: 40, mutant: 'B01', races: true });
    const block = first === undefined ? '' : exploreFailureBlock({ failure: first }).join('\n');
    assert.match(block, /!!! race, found by CPU 2: plain write of vma 1/);
    const both = /The race, CPU 2:\n\s+at vma_set_range \(([^)]*)\)[\s\S]*?and the plain read by CPU 0:\n\s+at vm_start \(([^)]*)\)/;
    const [, second = '', other = ''] = both.exec(block) ?? [];
    assert.ok(/:\d+:\d+$/.test(second) && /:\d+:\d+$/.test(other), block);
  },
  DEADLINE,
);

test.run();

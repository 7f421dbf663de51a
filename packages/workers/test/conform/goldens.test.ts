/** Every recorded script on the model, as far as the model has what it needs: no operation may be different. */
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { NOISY, SET_UP, UNSTABLE } from '@faultlab/workers/conform/compare';
import { ADD_ORDER } from '@faultlab/workers/conform/compare_events';
import { conform } from '@faultlab/workers/conform/conform';
import { totalsOf } from '@faultlab/workers/conform/conform_result';
import { goldenScripts } from './fixtures.ts';

const test = suite('conform/goldens');

const ALLOWED: ReadonlySet<string> = new Set([
  NOISY,
  SET_UP,
  UNSTABLE,
  ADD_ORDER,
  'sleeps of the faulting thread',
  'sleeps of the userfaultfd thread',
  'requests to the block device, merged or ordered otherwise',
]);
/** Operations of all scripts, and of those that push nothing to swap. */
const ALL_OPERATIONS = 2489;
const WITHOUT_SWAP_OPERATIONS = 1840;
const SWAPS = /squeeze|pageout/;

test(
  'linux-6.18 does what the kernel did in every operation that it has, and has all that need no swap',
  async () => {
    const loaded = await goldenScripts();
    const result = conform(loaded, policyByName('linux-6.18'));
    const totals = totalsOf(result);
    assert.equal(
      result.differences.map(({ script, line, operation, differs }) => ({ script, line, operation, differs })),
      [],
    );
    assert.is(totals.broken, 0);
    assert.is(totals.compared + totals.notRun, ALL_OPERATIONS);
    assert.equal(
      [...totals.leftOut.keys()].filter((reason) => !ALLOWED.has(reason)),
      [],
    );
    const withoutSwap = result.scripts.filter((_, index) => loaded[index]?.lines.every(({ text }) => !SWAPS.test(text)));
    assert.equal(
      withoutSwap.filter(({ notRun }) => notRun > 0).map(({ name }) => name),
      [],
    );
    assert.is(
      withoutSwap.reduce((sum, { same }) => sum + same, 0),
      WITHOUT_SWAP_OPERATIONS,
    );
  },
  { deadlineMs: 120_000 },
);

for (const policy of ['linux-5.4', 'linux-6.4']) {
  test(
    `${policy} gives the same results and layouts, but takes mmap_lock where the kernel did not`,
    async () => {
      const { differences, scripts } = conform(await goldenScripts(), policyByName(policy));
      assert.equal(
        differences.filter(({ differs }) => differs.includes('result') || differs.includes('vmas')),
        [],
      );
      assert.ok(differences.some(({ differs }) => differs.includes('events')));
      assert.equal(
        scripts.flatMap(({ broken }) => broken),
        [],
      );
    },
    { deadlineMs: 60_000 },
  );
}

test.run();

/** Every recorded script on the model, under the policy of the kernel that was recorded and under every other one. */
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { NOISY, SET_UP, UNSTABLE } from '@faultlab/workers/conform/compare';
import { ADD_ORDER } from '@faultlab/workers/conform/compare_events';
import { conform } from '@faultlab/workers/conform/conform';
import { totalsOf } from '@faultlab/workers/conform/conform_result';
import type { Observation } from '@faultlab/workers/conform/record';
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
/**
 * What a program can tell: how the operation ended, and the areas. Which pages are mapped by then is the business of the policy: a fault that maps in
 * place what it waited for maps nothing around it.
 */
const outcomeOf = ({ result, vmas }: Observation): string =>
  JSON.stringify([result, vmas.map(({ start, end, prot, pgoff, of }) => [start, end, prot, pgoff, of])]);

const OPERATIONS = 2489;
const RECORDED = 'linux-6.18';

test(
  'linux-6.18 does what the kernel did in every recorded operation',
  async () => {
    const result = conform(await goldenScripts(), policyByName(RECORDED));
    const totals = totalsOf(result);
    assert.equal(
      result.differences.map(({ script, line, operation, differs }) => ({ script, line, operation, differs })),
      [],
    );
    assert.equal([totals.broken, totals.notRun, totals.same], [0, 0, OPERATIONS]);
    assert.equal(
      [...totals.leftOut.keys()].filter((reason) => !ALLOWED.has(reason)),
      [],
    );
  },
  { deadlineMs: 120_000 },
);

for (const policy of POLICIES.filter(({ name }) => name !== RECORDED)) {
  test(
    `${policy.name} breaks nothing, ends every operation in the same way, and takes other locks`,
    async () => {
      const { differences, scripts } = conform(await goldenScripts(), policy);
      assert.equal(
        scripts.flatMap(({ broken }) => broken),
        [],
      );
      assert.is(
        scripts.reduce((sum, { run }) => sum + run, 0),
        OPERATIONS,
      );
      assert.equal(
        differences.filter(({ expected, got }) => outcomeOf(expected) !== outcomeOf(got)).map(({ script, line }) => `${script}:${line}`),
        [],
      );
      assert.ok(differences.some(({ differs }) => differs.includes('events')));
    },
    { deadlineMs: 120_000 },
  );
}

test.run();

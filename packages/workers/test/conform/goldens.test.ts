/** Every recorded script on the model, under the policy of the kernel that was recorded. */
import { policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { NOISY, SET_UP, UNSTABLE } from '@faultlab/workers/conform/compare';
import { ADD_ORDER } from '@faultlab/workers/conform/compare_events';
import { conform } from '@faultlab/workers/conform/conform';
import { totalsOf } from '@faultlab/workers/conform/conform_result';
import { goldenScripts, OPERATIONS } from './fixtures.ts';

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

test.run();

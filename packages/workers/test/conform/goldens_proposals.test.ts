/** Every recorded script under the proposals. */
import { POLICIES } from '@faultlab/core/policy/policies';
import { suite } from '@faultlab/test-support';
import { scriptsUnderPolicies } from './fixtures.ts';

const test = suite('conform/goldens_proposals');

scriptsUnderPolicies(
  test,
  POLICIES.filter(({ name }) => !name.startsWith('linux-')),
);

test.run();

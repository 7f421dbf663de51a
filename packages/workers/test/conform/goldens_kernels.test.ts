/** Every recorded script under the other kernels. */
import { POLICIES } from '@faultlab/core/policy/policies';
import { suite } from '@faultlab/test-support';
import { scriptsUnderPolicies } from './fixtures.ts';

const test = suite('conform/goldens_kernels');

scriptsUnderPolicies(
  test,
  POLICIES.filter(({ name }) => name.startsWith('linux-') && name !== 'linux-6.18'),
);

test.run();

/**
 * Memory pressure, part 0 of the policies.
 */
import { suite } from '@faultlab/test-support';
import { pressureUnder } from './under_policies.ts';

const test = suite('memory pressure, policies 0');
pressureUnder(test, 0);
test.run();

/**
 * Memory pressure, part 3 of the policies.
 */
import { suite } from '@faultlab/test-support';
import { pressureUnder } from './under_policies.ts';

const test = suite('memory pressure, policies 3');
pressureUnder(test, 3);
test.run();

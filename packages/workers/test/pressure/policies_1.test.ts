/**
 * Memory pressure, part 1 of the policies.
 */
import { suite } from '@faultlab/test-support';
import { pressureUnder } from './under_policies.ts';

const test = suite('memory pressure, policies 1');
pressureUnder(test, 1);
test.run();

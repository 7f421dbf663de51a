/**
 * Memory pressure, part 2 of the policies.
 */
import { suite } from '@faultlab/test-support';
import { pressureUnder } from './under_policies.ts';

const test = suite('memory pressure, policies 2');
pressureUnder(test, 2);
test.run();

/**
 * Every lock by itself, in small cases whose interleavings are all seen: nobody is inside together with somebody whom the lock keeps out, nobody sleeps
 * for ever. Here with five CPUs.
 */
import { suite } from '@faultlab/test-support';
import { LOCK_CASES } from './lock_cases.ts';
import { checkLocks } from './lock_runs.ts';

const test = suite('locks by themselves, five CPUs');

checkLocks(
  test,
  LOCK_CASES.filter(({ calls }) => calls.length > 3),
);

test.run();

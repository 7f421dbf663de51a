/**
 * Every lock by itself, in small cases whose interleavings are all seen: nobody is inside together with somebody whom the lock keeps out, nobody sleeps
 * for ever, and a lock that is wrong on purpose is found out by the same search. Here with two CPUs.
 */
import { assert, suite } from '@faultlab/test-support';
import { LOCK_CASES } from './lock_cases.ts';
import { bootForLocks, checkLocks, exploreCase, POLICY } from './lock_runs.ts';

const test = suite('locks by themselves, two CPUs');

checkLocks(
  test,
  LOCK_CASES.filter(({ calls }) => calls.length === 2),
);

test(
  'a lock that looks and then writes is found out, by the search without bound and by that with two preemptions',
  async () => {
    await using machine = await bootForLocks(2, POLICY);
    for (const bound of [undefined, 2]) {
      const calls = [['busted'], ['busted']] as const;
      const result = await exploreCase(machine, { name: 'busted', calls, ...(bound === undefined ? {} : { bound }) });
      assert.is(result.failures[0]?.findings[0]?.id, 'I01');
    }
  },
  { deadlineMs: 60_000 },
);

test.run();

/** Random programs, recorded on one CPU and replayed on three: the same areas and outcomes, in whatever order the threads run. */

import { POLICIES } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { replayTimeline } from '@faultlab/workers/replay/replay_trace';
import * as fc from 'fast-check';
import { recordProgram } from './recorded_program.ts';

const test = suite('round trip');

const RUNS = 12;
const CHOICES = 3000;

test(
  'a recorded program replays as it was recorded, on any number of CPUs',
  async () => {
    const programs = fc.array(fc.nat(0xffff), { minLength: CHOICES / 4, maxLength: CHOICES, size: 'max' });
    const policies = fc.constantFrom(...POLICIES.map(({ name }) => name));
    await fc.assert(
      fc.asyncProperty(programs, policies, async (choices, policy) => {
        const result = await replayTimeline(recordProgram(choices).timeline(), { name: 'recorded', policy });
        assert.equal(result.differences, []);
        assert.equal(result.violations, []);
        assert.is(result.verdict, 'agrees', result.message);
      }),
      { numRuns: RUNS, seed: 618, endOnFailure: true },
    );
  },
  { deadlineMs: 60_000 },
);

test.run();

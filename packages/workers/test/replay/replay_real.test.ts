/** The three recorded programs: everything in them goes in the model as it went in the kernel. */

import { fileURLToPath } from 'node:url';
import { POLICIES } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { type ReplayOptions, type ReplayResult, replayTrace } from '@faultlab/workers/replay/replay_trace';

const test = suite('replay of real programs');
const DEADLINE = { deadlineMs: 60_000 };

const pathOf = (name: string): string => fileURLToPath(new URL(`../../test/data/traces/${name}.txt.gz`, import.meta.url));

async function agrees(name: string, options: ReplayOptions = {}): Promise<ReplayResult> {
  const result = await replayTrace(pathOf(name), options);
  assert.equal(result.differences, []);
  assert.equal(result.violations, []);
  assert.is(result.verdict, 'agrees', result.message);
  return result;
}

const EXPECTED = {
  gcc: { faults: 2589, areas: 179, refused: 0, cpus: 3, programs: ['gcc', 'cc1', 'as'] },
  java: { faults: 16421, areas: 482, refused: 1, cpus: 24, programs: ['java'] },
  tsc: { faults: 49321, areas: 105, refused: 0, cpus: 7, programs: ['tsc'] },
} as const;

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(
    `${name}: every fault is served and every area agrees`,
    async () => {
      const { faults, areas, cpus, programs, unexpected } = await agrees(name);
      assert.equal(
        { faults: faults.replayed, areas: areas.agreeing, refused: faults.refusedAsExpected, cpus, programs },
        { ...expected, programs: [...expected.programs] },
      );
      assert.is(faults.total, faults.replayed);
      assert.is(areas.total, areas.agreeing);
      assert.is(unexpected, 0);
      assert.is(
        faults.rows.reduce((sum, { count }) => sum + count, 0),
        expected.faults,
      );
    },
    DEADLINE,
  );
}

for (const { name: policy } of POLICIES) {
  test(
    `gcc under ${policy}, with every check`,
    async () => {
      const result = await agrees('gcc', { policy, verify: true });
      assert.is(result.policy, policy);
      const usesVmaLock = result.faults.rows.some(({ byPath }) => byPath.vmaLock > 0);
      assert.is(usesVmaLock, !policy.startsWith('linux-5'));
    },
    DEADLINE,
  );
}

test.run();

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

/** How often the fault lock is dropped for I/O, and under which lock a fault comes back. */
const COLD: Readonly<Record<string, { readonly drops: boolean; readonly backUnderMmapLock: boolean }>> = {
  'linux-6.18': { drops: true, backUnderMmapLock: true },
  'retry-vma': { drops: true, backUnderMmapLock: false },
  hold: { drops: false, backUnderMmapLock: false },
  reacquire: { drops: true, backUnderMmapLock: false },
};

for (const [policy, { drops, backUnderMmapLock }] of Object.entries(COLD)) {
  test(
    `gcc with cold files under ${policy}: every fault is served, and those that wait take the locks of the policy`,
    async () => {
      const { io, counters, faults, unexpected } = await agrees('gcc', { policy, cold: true, io: 'fixed:20us', verify: true });
      assert.equal([faults.replayed, unexpected], [EXPECTED.gcc.faults, 0]);
      assert.equal([io?.start, io?.model], ['cold', 'fixed:20us']);
      assert.ok((io?.reads ?? 0) > 100 && (io?.pagesRead ?? 0) > (io?.reads ?? 0), JSON.stringify(io));
      assert.ok(counters.pgmajfault > 100, String(counters.pgmajfault));
      assert.is(counters.lock_dropped_for_io > 100, drops);
      assert.is(counters.mmap_attempts > 100, backUnderMmapLock);
    },
    DEADLINE,
  );
}

test(
  'gcc with files on a device, all in memory: nothing is read',
  async () => {
    const { io, counters } = await agrees('gcc', { io: 'fixed:1ms' });
    // Locks may be dropped all the same: for a page that another CPU has locked just then.
    assert.equal([io?.start, io?.reads, counters.pgmajfault], ['warm', 0, 0]);
  },
  DEADLINE,
);

/** The proposals do what linux-6.18 does for as long as nothing waits; what they do when something does is above. */
const kernels = POLICIES.filter(({ name }) => name.startsWith('linux-'));

for (const { name: policy, vmaLock } of kernels) {
  test(
    `gcc under ${policy}, with every check`,
    async () => {
      const result = await agrees('gcc', { policy, verify: true });
      assert.is(result.policy, policy);
      const usesVmaLock = result.faults.rows.some(({ byPath }) => byPath.vmaLock > 0);
      assert.is(usesVmaLock, vmaLock !== 'none');
    },
    DEADLINE,
  );
}

test.run();

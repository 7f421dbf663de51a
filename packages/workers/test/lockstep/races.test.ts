/** Whole schedules under the race detector: the right model has every plain word in order, and a writer that leaves out a lock does not. */
import { assert, suite } from '@faultlab/test-support';
import { explore } from '@faultlab/workers/lockstep/explore';

const test = suite('lockstep/races');
const PATIENT = { deadlineMs: 110_000 };
const SEARCH = { strategy: 'random', schedules: 3, cpus: 3, count: 8, seed: 5, races: true } as const;

for (const scenario of ['munmap_storm', 'stack_growth', 'truncate_race']) {
  test(
    `${scenario}: no plain access is without an order`,
    async () => {
      const { failing, failures } = await explore({ ...SEARCH, scenario });
      assert.is(failing, 0, failures[0]?.message);
    },
    PATIENT,
  );
}

test(
  'a stack that grows under mmap_lock for reading is found by its accesses (B01)',
  async () => {
    const { failures } = await explore({ ...SEARCH, scenario: 'stack_growth', mutant: 'B01' });
    const races = failures.flatMap(({ findings }) => findings).filter(({ id }) => id === 'race');
    assert.ok(races.length > 0);
    assert.ok(
      races.some(({ message }) =>
        /^plain read of vma \d+, word \d+ by CPU \d, and nothing orders it with the plain write by CPU \d$/.test(message),
      ),
    );
    assert.ok(races.some(({ stack }) => stack.includes('expand_downwards')));
  },
  PATIENT,
);

test.run();

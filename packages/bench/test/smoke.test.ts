/** Every benchmark runs, in its smoke form, and returns rows of finite numbers. What the numbers are is not tested. */
import { BENCHMARKS } from '@faultlab/bench/benchmarks';
import { assert, suite } from '@faultlab/test-support';

const test = suite('benchmarks, smoke form');

for (const benchmark of BENCHMARKS) {
  test(
    `${benchmark.name} runs`,
    async () => {
      const rows = await benchmark.run(true);
      assert.ok(rows.length > 0);
      for (const row of rows) assert.ok(Number.isFinite(row.value) && row.value >= 0, `${row.task} is ${row.value}`);
    },
    { deadlineMs: 30_000 },
  );
}

test('no two benchmarks have one name', () => {
  assert.is(new Set(BENCHMARKS.map(({ name }) => name)).size, BENCHMARKS.length);
});

test.run();

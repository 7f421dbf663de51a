/**
 * The statistics of comparisons, on numbers that are made: what is the same is not called different, and what differs is.
 */
import { Prng } from '@faultlab/core/base/prng';
import { assert, suite } from '@faultlab/test-support';
import type { RunRecord } from '@faultlab/workers/compare/comparison_file';
import { METRICS } from '@faultlab/workers/compare/metrics';
import { changeOf, hmean, rankTest, rejected } from '@faultlab/workers/compare/statistics';
import { comparePair } from '@faultlab/workers/compare/summary';

const test = suite('compare/statistics');

/** A skewed value, like a time: exp of a sum of uniform numbers. */
const drawn = (prng: Prng, scale = 1): number => scale * Math.exp((prng.below(1000) + prng.below(1000) + prng.below(1000)) / 1000);

/** One run in which metrics go up and down together, as they do. */
function run(prng: Prng, place: number, factor: (metric: number) => number, trustworthy = true): RunRecord {
  const common = drawn(prng, 0.1);
  const metrics = Object.fromEntries(METRICS.map(({ name }, metric) => [name, factor(metric) * (common + drawn(prng))]));
  return {
    policy: 'A',
    run: place,
    seed: place,
    seconds: 1,
    cpuSeconds: 1,
    othersCores: 0,
    trustworthy,
    metrics,
    histograms: { waits: {}, latency: {} },
  };
}

const NAMES = { scenario: 's', before: 'A', after: 'B' };

test('A against A calls at most 5 % of the metrics significant', () => {
  const prng = new Prng(7);
  let [called, all] = [0, 0];
  for (let repetition = 0; repetition < 15; repetition++) {
    const side = (): RunRecord[] => Array.from({ length: 6 }, (_, place) => run(prng, place, () => 1));
    const { changes } = comparePair(NAMES, [side(), side()], repetition);
    called += changes.filter(({ significant }) => significant).length;
    all += changes.length;
  }
  assert.is(all, 15 * METRICS.length);
  assert.ok(called <= 0.05 * all, `${called} of ${all}`);
});

test('metrics that are five times as large are called significant, and no others', () => {
  const prng = new Prng(8);
  // Eight runs a side: with so many metrics tested, six leave none that is larger in all but one or two runs.
  const side = (factor: number): RunRecord[] =>
    Array.from({ length: 8 }, (_, place) => run(prng, place, (metric) => (metric < 10 ? factor : 1)));
  const { changes, averaged } = comparePair(NAMES, [side(1), side(5)], 1);
  assert.is(averaged, 'trustworthy');
  const called = changes.filter(({ significant }) => significant).map(({ metric }) => METRICS.indexOf(metric));
  assert.equal(called.filter((place) => place < 10).length, 10);
  assert.ok(called.length <= 12, `${called.length} of ${changes.length}`);
});

test('runs without enough CPU are left out, unless one side has no others', () => {
  const prng = new Prng(9);
  const side = (factor: number, good: (place: number) => boolean): RunRecord[] =>
    Array.from({ length: 6 }, (_, place) => run(prng, place, () => (good(place) ? factor : 1000), good(place)));
  const some = comparePair(NAMES, [side(1, (place) => place > 0), side(1, (place) => place > 1)], 1);
  assert.equal([some.averaged, some.leftOut], ['trustworthy', 3]);
  assert.ok(some.changes.every(({ before, after, runs }) => before < 50 && after < 50 && runs.join() === '5,4'));
  const none = comparePair(NAMES, [side(1, () => true), side(1, () => false)], 1);
  assert.equal([none.averaged, none.leftOut], ['none is trustworthy', 0]);
  assert.is(none.changes[0]?.runs.join(), '6,6');
});

test('the rank test is exact for few values, with ties, and close to it for many', () => {
  assert.is(rankTest([1, 2, 3, 4], [5, 6, 7, 8]), 2 / 70);
  assert.is(rankTest([1, 1, 1, 1], [1, 1, 1, 1]), 1);
  assert.is(rankTest([1, 2, 2, 3], [2, 2, 3, 4]), 34 / 70);
  const prng = new Prng(3);
  const values = (): number[] => Array.from({ length: 20 }, () => drawn(prng));
  const [one, other] = [values(), values()];
  assert.ok(Math.abs(rankTest(one, other) - rankTest([...one, 5], [...other, 5])) < 0.05);
  assert.ok(
    rankTest(
      Array.from({ length: 30 }, (_, at) => at),
      Array.from({ length: 30 }, (_, at) => at + 100),
    ) < 1e-9,
  );
});

test('the false discovery rate is held: the largest p that fits its place, and all below', () => {
  assert.equal(rejected([0.01, 0.04, 0.03, 0.5]), [true, false, false, false]);
  assert.equal(rejected([0.01, 0.02, 0.03, 0.04]), [true, true, true, true]);
  assert.equal(rejected([0.06, 0.2]), [false, false]);
  assert.equal(rejected([]), []);
});

test('the same seed gives the same interval; three runs decide nothing', () => {
  const [before, after] = [
    [1, 2, 3, 4, 5],
    [3, 4, 5, 6, 7],
  ];
  assert.equal(changeOf(before, after, 4), changeOf(before, after, 4));
  const { low, high, difference } = changeOf(before, after, 4);
  assert.ok(low < difference && difference < high && difference === 2);
  assert.is(changeOf([1, 1, 1], [9, 9, 9], 1).p, 1);
  assert.equal([hmean([1, 1, 4]), hmean([1, 0]), hmean([])], [3 / 2.25, null, null]);
});

test.run();

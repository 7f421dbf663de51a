/**
 * Two samples of one metric: their means, the change, how sure it is. A change is called significant when three things hold: a rank test rejects
 * "the same", after the false discovery rate of all metrics of the comparison has been held at 5 %; the bootstrap interval of the difference
 * does not contain zero; and there were enough runs for either to mean anything.
 *
 * The rank test is exact for small samples, where runs are few and ties are common; the library has the normal distribution for larger ones.
 * Everything that is drawn comes from a seed, so the same file gives the same numbers again.
 * Next: summary.ts
 */
import { Prng } from '@faultlab/core/base/prng';
import { errorFunction, harmonicMean, mean, quantile, sampleWithReplacement } from 'simple-statistics';

export interface Change {
  readonly before: number;
  readonly after: number;
  /** Runs that said something. */
  readonly runs: readonly [before: number, after: number];
  /** after - before, and the interval in which it lies with 95 %. */
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** Chance of ranks as far apart as these if both samples were of one kind; 1 with fewer runs than RUNS_LEAST. */
  readonly p: number;
}

/** Fewer runs of either side decide nothing: four against four can do no better than p = 2/70. */
export const RUNS_LEAST = 4;
export const LEVEL = 0.05;
const DRAWS = 1000;
/** Up to so many values together the rank test counts all ways to divide them. */
const EXACT_MOST = 40;

/** @param seed what the bootstrap draws from; the same seed gives the same interval. The interval is drawn when somebody asks for it. */
export function changeOf(before: readonly number[], after: readonly number[], seed: number): Change {
  const [one, other] = [mean([...before]), mean([...after])];
  const enough = before.length >= RUNS_LEAST && after.length >= RUNS_LEAST;
  let drawn: readonly [low: number, high: number] | undefined;
  const interval = (): readonly [low: number, high: number] => {
    drawn ??= bootstrap(before, after, seed);
    return drawn;
  };
  return {
    before: one,
    after: other,
    runs: [before.length, after.length],
    difference: other - one,
    get low() {
      return interval()[0];
    },
    get high() {
      return interval()[1];
    },
    p: enough ? rankTest(before, after) : 1,
  };
}

/** Percentile bootstrap of the difference of the means, 95 %. */
function bootstrap(before: readonly number[], after: readonly number[], seed: number): readonly [low: number, high: number] {
  const prng = new Prng(seed, 0);
  const random = (): number => prng.next() / 2 ** 32;
  const drawn = (values: readonly number[]): number => mean(sampleWithReplacement([...values], values.length, random));
  const differences = Array.from({ length: DRAWS }, () => drawn(after) - drawn(before));
  return [quantile(differences, LEVEL / 2), quantile(differences, 1 - LEVEL / 2)];
}

/** Two-sided test of Wilcoxon, Mann and Whitney. Ties have their mean rank. @returns p */
export function rankTest(one: readonly number[], other: readonly number[]): number {
  const ranks = ranksOf([...one, ...other]);
  const size = ranks.length;
  const sum = ranks.slice(0, one.length).reduce((total, rank) => total + rank, 0);
  const expected = (one.length * (size + 1)) / 2;
  const distance = Math.abs(sum - expected);
  if (size <= EXACT_MOST) return exactP(ranks, one.length, distance, expected);
  const variance = (one.length * other.length * spreadOf(ranks)) / (size * (size - 1));
  if (variance === 0) return 1;
  return Math.min(1, Math.max(0, 1 - errorFunction(Math.max(0, distance - 0.5) / Math.sqrt(2 * variance))));
}

/** From 1; equal values share the mean of their places. */
function ranksOf(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}

/** Sum of the squared distances of the ranks from their mean. */
function spreadOf(ranks: readonly number[]): number {
  const middle = (ranks.length + 1) / 2;
  return ranks.reduce((sum, rank) => sum + (rank - middle) ** 2, 0);
}

/** Share of the ways to take `count` of the ranks whose sum is at least that far from what is expected. Ranks are halves, so twice a rank is whole. */
function exactP(ranks: readonly number[], count: number, distance: number, expected: number): number {
  const doubled = ranks.map((rank) => Math.round(2 * rank));
  const most = doubled.reduce((sum, rank) => sum + rank, 0);
  // ways[n][s]: ways to take n ranks with the sum s.
  const ways = Array.from({ length: count + 1 }, () => new Float64Array(most + 1));
  (ways[0] as Float64Array)[0] = 1;
  for (const rank of doubled) {
    for (let taken = count; taken > 0; taken--) {
      const [to, from] = [ways[taken] as Float64Array, ways[taken - 1] as Float64Array];
      for (let sum = most; sum >= rank; sum--) to[sum] = (to[sum] as number) + (from[sum - rank] as number);
    }
  }
  const last = ways[count] as Float64Array;
  let [all, far] = [0, 0];
  last.forEach((number, sum) => {
    all += number;
    if (Math.abs(sum - 2 * expected) >= 2 * distance) far += number;
  });
  return far / all;
}

/**
 * Which of the tests reject, so that among those that do, on average no more than the level are wrong; if nothing differs, none rejects with 95 %.
 * Benjamini and Hochberg: the largest k with p(k) <= level * k / m, and all up to there.
 */
export function rejected(ps: readonly number[], level: number = LEVEL): boolean[] {
  const sorted = [...ps].sort((a, b) => a - b);
  let limit = -1;
  sorted.forEach((p, place) => {
    if (p <= (level * (place + 1)) / sorted.length) limit = p;
  });
  return ps.map((p) => p <= limit);
}

/** Does the interval exclude zero? */
export const isApart = ({ low, high }: Change): boolean => low > 0 || high < 0;

/** Change in percent of the mean before; null when that is zero. */
export const percentOf = (part: number, before: number): number | null => (before === 0 ? null : (100 * part) / before);

/** Harmonic mean, for rates; null when one of them is not above zero. */
export function hmean(values: readonly number[]): number | null {
  return values.length === 0 || values.some((value) => value <= 0) ? null : harmonicMean([...values]);
}

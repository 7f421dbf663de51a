/**
 * Percentiles of the latencies of a run, path by path or of several paths together.
 * Next: metrics.ts
 */
import type { LatencyPath } from '../arena_map.ts';
import { type LatencyHistogram, latencyHistogram } from '../latency_histogram.ts';
import type { LatencyBuckets } from '../latency_totals.ts';
import { bucketNs } from '../program/latency.ts';

const NS_PER_US = 1000;
/** A percentile needs so many times on its far side. */
const BEYOND_LEAST = 2;

export class Percentiles {
  readonly #latency: readonly LatencyBuckets[];
  readonly #built = new Map<string, LatencyHistogram | null>();

  constructor(latency: readonly LatencyBuckets[]) {
    this.#latency = latency;
  }

  /** Microseconds, or null when too few were timed for that percentile. */
  us(paths: readonly LatencyPath[], percent: number): number | null {
    const histogram = this.#of(paths);
    if (histogram === null || histogram.totalCount * (1 - percent / 100) < BEYOND_LEAST) return null;
    return histogram.getValueAtPercentile(percent) / NS_PER_US;
  }

  maxUs(paths: readonly LatencyPath[]): number | null {
    const histogram = this.#of(paths);
    return histogram === null ? null : histogram.getValueAtPercentile(100) / NS_PER_US;
  }

  #of(paths: readonly LatencyPath[]): LatencyHistogram | null {
    const key = paths.join();
    const known = this.#built.get(key);
    if (known !== undefined) return known;
    const buckets = this.#latency.filter(({ path }) => paths.includes(path)).flatMap((each) => each.buckets);
    const histogram = buckets.length === 0 ? null : latencyHistogram(buckets.map(([bucket, count]) => [bucketNs(bucket), count] as const));
    this.#built.set(key, histogram);
    return histogram;
  }
}

/** Buckets for files: four in each doubling instead of 32. */
const COARSE_SHIFT = 3;
/** The middle of such a bucket, in nanoseconds. */
export const coarseBucketNs = (coarse: number): number => bucketNs((coarse << COARSE_SHIFT) + (1 << (COARSE_SHIFT - 1)));

/** The same counts in coarser buckets, in their order. */
export function coarseBuckets(buckets: LatencyBuckets['buckets']): [bucket: number, count: number][] {
  const counts = new Map<number, number>();
  for (const [bucket, count] of buckets) counts.set(bucket >> COARSE_SHIFT, (counts.get(bucket >> COARSE_SHIFT) ?? 0) + count);
  return [...counts].sort(([one], [other]) => one - other);
}

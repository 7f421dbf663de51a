/**
 * Latencies as counts in log-linear buckets, in shared memory: one writer per bucket, readable while the machine runs. A bucket is three
 * percent wide, which is all the precision that a percentile of such a run deserves.
 * Next: report/latency_summary.ts turns them into percentiles.
 */
import { BUCKET_COUNT, BUCKET_STEPS, LATENCY_PATHS, type LatencyPath } from '../arena_map.ts';

const STEP_BITS = 5;
const NS_MAX = 2 ** 36 - 1;

/** Position of the bucket for so many nanoseconds. */
export function bucketOf(ns: number): number {
  const value = ns > NS_MAX ? NS_MAX : Math.max(0, Math.floor(ns));
  if (value < BUCKET_STEPS) return value;
  const doublings = (value < 2 ** 31 ? 31 - Math.clz32(value) : Math.floor(Math.log2(value))) - STEP_BITS;
  return doublings * BUCKET_STEPS + Math.floor(value / 2 ** doublings);
}

/** The middle of a bucket, in nanoseconds. */
export function bucketNs(bucket: number): number {
  if (bucket < BUCKET_STEPS * 2) return bucket;
  const doublings = (bucket >>> STEP_BITS) - 1;
  return ((bucket & (BUCKET_STEPS - 1)) + BUCKET_STEPS + 0.5) * 2 ** doublings;
}

export const pathIndex = (path: LatencyPath): number => LATENCY_PATHS.indexOf(path);

/** One CPU's buckets. */
export class LatencyRecorder {
  readonly #words: Int32Array;
  readonly #base: number;

  /** @param base where this CPU's buckets begin */
  constructor(words: Int32Array, base: number) {
    this.#words = words;
    this.#base = base;
    words.fill(0, base, base + LATENCY_PATHS.length * BUCKET_COUNT);
  }

  record(path: number, ns: number): void {
    const word = this.#base + path * BUCKET_COUNT + bucketOf(ns);
    this.#words[word] = ((this.#words[word] as number) + 1) | 0;
  }
}

/** Non-empty buckets of one path on one CPU. */
export function readBuckets(words: Int32Array, base: number, path: number): { readonly ns: number; readonly count: number }[] {
  const found: { ns: number; count: number }[] = [];
  const first = base + path * BUCKET_COUNT;
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const count = (words[first + bucket] as number) >>> 0;
    if (count > 0) found.push({ ns: bucketNs(bucket), count });
  }
  return found;
}

/**
 * A histogram of latencies to take percentiles from. Of its library only the one class is loaded: the library's entry brings every kind of histogram,
 * files of them and WebAssembly along, a sixth of the time that a command takes to start.
 * Next: latency_totals.ts, compare/percentiles.ts
 */
import Int32Histogram from 'hdr-histogram-js/dist/Int32Histogram.js';

export type LatencyHistogram = InstanceType<typeof Int32Histogram.default>;

const HIGHEST_NS = 2 ** 37;
const DIGITS = 2;

/** @param counts nanoseconds, and how often */
export function latencyHistogram(counts: Iterable<readonly [ns: number, count: number]>): LatencyHistogram {
  const histogram = new Int32Histogram.default(1, HIGHEST_NS, DIGITS);
  for (const [ns, count] of counts) histogram.recordValueWithCount(Math.max(1, Math.round(ns)), count);
  return histogram;
}

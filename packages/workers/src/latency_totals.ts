/**
 * Latencies of a run, or of several runs together: bucket counts that add up, and their percentiles.
 */
import { LATENCY_PATHS, type LatencyPath } from './arena_map.ts';
import { latencyHistogram } from './latency_histogram.ts';
import type { Machine } from './machine.ts';
import { bucketNs, bucketOf, readBuckets } from './program/latency.ts';

/** Of one path, in nanoseconds. Only a part of the operations is timed, so `max` is the longest of those. */
export interface LatencySummary {
  readonly path: LatencyPath;
  readonly timed: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The counts themselves, to be kept and added to later: bucket by number (program/latency.ts), and how many. */
export interface LatencyBuckets {
  readonly path: LatencyPath;
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

export class LatencyTotals {
  readonly #counts: readonly Map<number, number>[] = LATENCY_PATHS.map(() => new Map());

  /** Adds what the CPUs of a machine at rest have recorded since their program began. */
  addFrom(machine: Machine): void {
    LATENCY_PATHS.forEach((_, path) => {
      for (let cpu = 0; cpu < machine.config.cpus; cpu++) {
        for (const { ns, count } of readBuckets(machine.memory.user, machine.arena.latency(cpu), path)) this.#add(path, ns, count);
      }
    });
  }

  /** Paths that were never timed are left out. */
  summaries(): LatencySummary[] {
    return LATENCY_PATHS.flatMap((path, index) => {
      const counts = this.#counts[index] as Map<number, number>;
      if (counts.size === 0) return [];
      const histogram = latencyHistogram(counts);
      const at = (percentile: number): number => histogram.getValueAtPercentile(percentile);
      return [{ path, timed: histogram.totalCount, p50: at(50), p99: at(99), p999: at(99.9), max: at(100) }];
    });
  }

  /** What `addBuckets` takes. Paths that were never timed are left out. */
  buckets(): LatencyBuckets[] {
    return LATENCY_PATHS.flatMap((path, index) => {
      const counts = [...(this.#counts[index] as Map<number, number>)];
      return counts.length === 0 ? [] : [{ path, buckets: counts.map(([ns, count]) => [bucketOf(ns), count] as const) }];
    });
  }

  addBuckets(all: readonly LatencyBuckets[]): void {
    for (const { path, buckets } of all) {
      for (const [bucket, count] of buckets) this.#add(LATENCY_PATHS.indexOf(path), bucketNs(bucket), count);
    }
  }

  #add(path: number, ns: number, count: number): void {
    const counts = this.#counts[path] as Map<number, number>;
    counts.set(ns, (counts.get(ns) ?? 0) + count);
  }
}

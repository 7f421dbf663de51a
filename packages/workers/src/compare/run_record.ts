/**
 * One run as it is kept in a file: its metrics, its histograms, and whether it can be trusted.
 * Next: comparison_file.ts
 */
import type { LockWaits } from '@faultlab/core/locking/lock_waits';
import type { Environment } from '../environment.ts';
import type { RunHistograms, RunRecord } from './comparison_file.ts';
import { metricsOf } from './metrics.ts';
import { coarseBuckets } from './percentiles.ts';
import type { Sample } from './sample.ts';

/** Share of the host beyond which other programs spoil what is measured. */
export const SCARCE_SHARE = 0.2;

export interface Trust {
  readonly othersCores: number;
  readonly trustworthy: boolean;
  readonly reason?: string;
}

/** @param othersCores cores that other programs had during the run */
export function trustOf(othersCores: number, { cores }: Environment): Trust {
  const taken = Math.round(100 * othersCores) / 100;
  if (taken <= SCARCE_SHARE * cores) return { othersCores: taken, trustworthy: true };
  return { othersCores: taken, trustworthy: false, reason: `other programs took ${taken.toFixed(2)} of ${cores} cores` };
}

const rounded = (value: number): number => Math.round(value * 1e4) / 1e4;

export function recordOf(head: Pick<RunRecord, 'policy' | 'run' | 'seed'>, sample: Sample, trust: Trust): RunRecord {
  return {
    ...head,
    seconds: rounded(sample.seconds),
    cpuSeconds: sample.cpuSeconds === null ? null : rounded(sample.cpuSeconds),
    ...trust,
    metrics: metricsOf(sample),
    histograms: histogramsOf(sample),
  };
}

/** How often each lock was acquired. */
function acquisitionsOf({ counters }: Sample, { lock }: LockWaits): number {
  if (lock === 'mmap_lock read') return counters.mmap_read_acquired;
  return lock === 'mmap_lock write' ? counters.mmap_write_acquired : counters.vma_write_locked;
}

function histogramsOf(sample: Sample): RunHistograms {
  return {
    waits: Object.fromEntries(
      sample.waits.locks.map((row) => {
        const waited = row.decades.reduce((sum, count) => sum + count, 0);
        const [shortest = 0, ...longer] = row.decades;
        // Who found the lock free has waited less than a microsecond, too.
        return [row.lock, [shortest + Math.max(0, acquisitionsOf(sample, row) - waited), ...longer]];
      }),
    ),
    latency: Object.fromEntries(sample.latency.map(({ path, buckets }) => [path, coarseBuckets(buckets)])),
  };
}

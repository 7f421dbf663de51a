/**
 * What one run gives to a comparison: sums and bucket counts, from a run of a scenario or from a replay. Metrics are computed from it.
 * Next: metrics.ts
 */
import type { DeviceId } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { type LockStatRow, readLockStat } from '@faultlab/core/locking/lock_stat';
import { type LockWaitStats, readLockWaits } from '@faultlab/core/locking/lock_waits';
import { readCounters } from '@faultlab/core/trace/counters';
import type { Counters } from '../deltas.ts';
import type { LatencyBuckets, LatencyTotals } from '../latency_totals.ts';
import type { Machine } from '../machine.ts';
import { OP_READ, OP_WRITE } from '../program/op.ts';
import { ACCESS_OK } from '../program/outcome.ts';
import type { RunResult } from '../run_result.ts';

export interface Sample {
  readonly seconds: number;
  /** What the CPUs of the model really ran, all together; null where the system does not tell. */
  readonly cpuSeconds: number | null;
  readonly ops: number;
  readonly opsByCpu: readonly number[];
  readonly counters: Counters;
  readonly locks: readonly LockStatRow[];
  readonly waits: LockWaitStats;
  readonly latency: readonly LatencyBuckets[];
  /** Touches of pages that succeeded. */
  readonly uses: number;
  /** Of all devices. */
  readonly pagesRead: number;
}

const TOUCHES: ReadonlySet<number> = new Set([OP_READ, OP_WRITE]);

/** @param machine a fresh one, which has had this run only @param latency what the run has added to */
export function sampleOfRun(result: RunResult, machine: Machine, latency: LatencyTotals): Sample {
  const stats = machine.config.devices.map((_, device) => readDeviceStats(machine.memory, device as DeviceId));
  return {
    seconds: Math.max(result.wallMs / 1000, 1e-3),
    cpuSeconds: result.cpuMs === undefined ? null : result.cpuMs / 1000,
    ops: result.ops,
    opsByCpu: result.opsByCpu,
    counters: result.counters,
    locks: result.locks,
    waits: readLockWaits(machine.memory),
    latency: latency.buckets(),
    uses: result.outcomes.reduce(
      (sum, { kind, result: ending, count }) => sum + (TOUCHES.has(kind) && ending === ACCESS_OK ? count : 0),
      0,
    ),
    pagesRead: stats.reduce((sum, each) => sum + each.pagesRead, 0),
  };
}

/**
 * The part of a replay's sample that only its machine knows; the rest is in its result.
 * @param machine a fresh one, which is about to end @param latency what the CPUs have recorded
 */
export function sampleOfReplay(machine: Machine, latency: LatencyTotals): Sample {
  const stats = machine.config.devices.map((_, device) => readDeviceStats(machine.memory, device as DeviceId));
  return {
    seconds: 0,
    cpuSeconds: null,
    ops: 0,
    opsByCpu: [],
    counters: readCounters(machine.memory),
    locks: readLockStat(machine.memory),
    waits: readLockWaits(machine.memory),
    latency: latency.buckets(),
    uses: 0,
    pagesRead: stats.reduce((sum, each) => sum + each.pagesRead, 0),
  };
}

/**
 * What a run on a fresh machine says about waiting for devices: how often a lock was dropped for that, what the retry found, and how fast the devices
 * were, against what they can do.
 */
import type { DeviceId } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { meanLatencyUs } from '@faultlab/core/io/latency_model';
import { needsThread } from '../device/device_options.ts';
import type { Machine } from '../machine.ts';
import { OP_READ, OP_WRITE } from '../program/op.ts';
import { ACCESS_OK } from '../program/outcome.ts';
import type { RunResult } from '../run_result.ts';
import { faultsOf } from '../stress/stress_totals.ts';

/** A device that took time and was read. */
export interface MeasuredDevice {
  readonly device: number;
  readonly readsPerSecond: number;
  readonly pagesPerSecond: number;
  /** Pages a second at the size of the requests of this run, if it is never idle: places in the queue by the mean time of a request. */
  readonly pagesPerSecondAllowed: number;
}

export interface Measured {
  readonly seconds: number;
  /** Faults that gave their lock up for a device, and retries of those that found their page gone. */
  readonly dropsPerSecond: number;
  readonly gonePerSecond: number;
  /** The share of the second in the first; undefined when no lock was dropped. */
  readonly goneShare: number | undefined;
  /** Pages that devices read for each page that a program touched. */
  readonly pagesReadPerPageUsed: number;
  readonly refaultsPerSecond: number;
  readonly faultsPerSecond: number;
  /** Touches of pages that succeeded. */
  readonly usesPerSecond: number;
  readonly devices: readonly MeasuredDevice[];
}

const TOUCHES: ReadonlySet<number> = new Set([OP_READ, OP_WRITE]);

/** @param machine a fresh one, which has had this run only */
export function measure(result: RunResult, machine: Machine): Measured {
  const { counters, wallMs, outcomes } = result;
  const seconds = Math.max(wallMs / 1000, 1e-3);
  const { lock_dropped_for_io: drops, page_gone_at_retry: gone } = counters;
  const uses = outcomes.reduce((sum, { kind, result: ending, count }) => sum + (TOUCHES.has(kind) && ending === ACCESS_OK ? count : 0), 0);
  const stats = machine.config.devices.map((_, device) => readDeviceStats(machine.memory, device as DeviceId));
  const pagesRead = stats.reduce((sum, each) => sum + each.pagesRead, 0);
  return {
    seconds,
    dropsPerSecond: drops / seconds,
    gonePerSecond: gone / seconds,
    goneShare: drops === 0 ? undefined : gone / drops,
    pagesReadPerPageUsed: pagesRead / Math.max(uses, 1),
    refaultsPerSecond: (counters.workingset_refault_file + counters.workingset_refault_anon) / seconds,
    faultsPerSecond: faultsOf(counters) / seconds,
    usesPerSecond: uses / seconds,
    devices: machine.config.devices.flatMap((config, device): MeasuredDevice[] => {
      const { reads = 0, pagesRead: pages = 0 } = stats[device] ?? {};
      if (!needsThread(config) || reads === 0) return [];
      const requests = (config.queueDepth * 1e6) / meanLatencyUs(config.latency);
      return [
        {
          device,
          readsPerSecond: reads / seconds,
          pagesPerSecond: pages / seconds,
          pagesPerSecondAllowed: (requests * pages) / reads,
        },
      ];
    }),
  };
}

/** The middle one of the values, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

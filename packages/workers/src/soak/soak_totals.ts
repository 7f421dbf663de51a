/**
 * The sums of a stress run as plain data for a file, and back. Operations and locks go by name, so that a number that means something else in
 * another version is not taken for what it meant.
 * Next: soak_file.ts
 */
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { LatencyBuckets } from '../latency_totals.ts';
import { OP_NAMES, type OpName } from '../program/op.ts';
import { StressTotals } from '../stress/stress_totals.ts';

export interface KeptTotals {
  readonly wallMs: number;
  /** Null where the system does not tell. */
  readonly cpuMs: number | null;
  readonly opsByCpu: readonly number[];
  readonly counters: Readonly<Record<CounterName, number>>;
  /** For accesses the ending, for calls 0 or the error number. */
  readonly outcomes: readonly { readonly kind: OpName; readonly result: number; readonly count: number }[];
  readonly latency: readonly LatencyBuckets[];
  readonly locks: readonly LockStatRow[];
  readonly scenarios: readonly {
    readonly name: string;
    readonly slices: number;
    readonly wallMs: number;
    readonly ops: number;
    readonly faults: number;
    readonly unseen: readonly CounterName[];
  }[];
}

export function keptTotals(totals: StressTotals): KeptTotals {
  return {
    wallMs: totals.wallMs,
    cpuMs: totals.cpuMs ?? null,
    opsByCpu: totals.opsByCpu,
    counters: totals.counters,
    outcomes: totals.outcomes.map(({ kind, result, count }) => ({ kind: OP_NAMES[kind] as OpName, result, count })),
    latency: totals.latency.buckets(),
    locks: totals.locks,
    scenarios: totals.scenarios,
  };
}

export function restoredTotals(kept: KeptTotals): StressTotals {
  const totals = new StressTotals(kept.opsByCpu.length);
  totals.wallMs = kept.wallMs;
  totals.cpuMs = kept.cpuMs ?? undefined;
  totals.restoreOps(kept.opsByCpu);
  totals.counters = kept.counters;
  totals.outcomes = kept.outcomes.map(({ kind, result, count }) => ({ kind: OP_NAMES.indexOf(kind), result, count }));
  totals.latency.addBuckets(kept.latency);
  totals.locks = kept.locks;
  totals.scenarios.push(...kept.scenarios.map((scenario) => ({ ...scenario })));
  return totals;
}

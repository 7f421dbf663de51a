/**
 * What a run gives back: plain data, ready for JSON.
 * Next: run_programs.ts fills it in, report/ prints it.
 */

import type { LockOrderEdge } from '@faultlab/core/locking/lock_order_graph';
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import type { VmstatState } from '@faultlab/core/mm/vmstat_state';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import type { Environment } from './environment.ts';
import type { LatencySummary } from './latency_totals.ts';
import type { CpuState } from './machine_state.ts';
import type { OutcomeCount } from './program/outcome_counts.ts';

/** Version of the shape of results; changes when a reader of old results would misread new ones. */
export const RESULT_SCHEMA = 1;

/** `failure`: the model broke a rule. `stall`: nothing moved any more. `death`: a thread was lost, or its work threw. */
export type Verdict = 'success' | 'failure' | 'stall' | 'death';

export interface RunViolation {
  readonly id: string;
  readonly message: string;
  /** The CPU that noticed; undefined when a sweep after the run did. */
  readonly cpu: number | undefined;
}

/** Everything that helps to understand a run that went wrong. */
export interface PostMortem {
  readonly message: string;
  /** Of each CPU, oldest first. */
  readonly lastOps: readonly (readonly string[])[];
  readonly state: readonly CpuState[];
  /** The last events of each CPU, devices and background threads after those of programs. */
  readonly trace: readonly (readonly TraceEntry[])[];
}

export interface Fairness {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

export interface RunResult {
  readonly verdict: Verdict;
  readonly policy: string;
  readonly cpus: number;
  readonly seed: number;
  /** From the common start to the last report. */
  readonly wallMs: number;
  /** What the threads really ran, all together; undefined where the system does not tell. */
  readonly cpuMs: number | undefined;
  readonly ops: number;
  readonly opsByCpu: readonly number[];
  readonly counters: Readonly<Record<CounterName, number>>;
  /** Pages by state when the programs had ended, before the run was cleared away. */
  readonly states: Readonly<Record<VmstatState, number>>;
  readonly outcomes: readonly OutcomeCount[];
  readonly latency: readonly LatencySummary[];
  readonly locks: readonly LockStatRow[];
  /** Which locks were taken under which since the machine was booted; recorded with `verify` only. */
  readonly lockOrder: readonly LockOrderEdge[];
  readonly violations: readonly RunViolation[];
  /** The last events of each CPU, when the run was asked to keep them; devices and background threads come after the CPUs of programs. */
  readonly trace: readonly (readonly TraceEntry[])[];
  /** What to call the CPUs that `trace` is of. */
  readonly cpuTitles: readonly string[];
  readonly postMortem: PostMortem | undefined;
  readonly environment: Environment;
}

export function fairnessOf(opsByCpu: readonly number[]): Fairness {
  const sum = opsByCpu.reduce((total, ops) => total + ops, 0);
  return { min: Math.min(...opsByCpu), max: Math.max(...opsByCpu), mean: sum / Math.max(1, opsByCpu.length) };
}

/**
 * What a replay gives back: plain data, ready for JSON.
 * Next: replay_report.ts prints it.
 */
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import type { Counters } from '../deltas.ts';
import type { Environment } from '../environment.ts';
import type { LatencySummary } from '../latency_totals.ts';
import type { TraceSummary } from '../perf_script/timeline.ts';
import type { RunViolation } from '../run_result.ts';
import type { FaultRow } from './fault_counts.ts';
import type { Speed } from './replay_program.ts';

/** Version of the shape; changes when a reader of old results would misread new ones. */
export const REPLAY_SCHEMA = 1;

/**
 * `agrees`: everything went as in the trace. `differs`: something did not. `violation`: the model broke a rule of its own.
 * `stall`: nothing moved any more. `death`: a thread was lost. `interrupted`: stopped from outside before the end.
 */
export type ReplayVerdict = 'agrees' | 'differs' | 'violation' | 'stall' | 'death' | 'interrupted';

/** Something that went another way than in the trace, in the trace's own terms. */
export interface Difference {
  readonly tid: number;
  readonly thread: string;
  /** Seconds, as in the file. */
  readonly time: string;
  /** The operation, as text. */
  readonly operation: string;
  readonly expected: string;
  readonly got: string;
}

/** What the block device of the files did. */
export interface ReplayIo {
  /** Where the pages of files were when the replay started: in memory, or only on the device. */
  readonly start: 'warm' | 'cold';
  /** The latency model, as text. */
  readonly model: string;
  readonly reads: number;
  readonly pagesRead: number;
  readonly writes: number;
  readonly pagesWritten: number;
  readonly latencyUsMax: number;
}

/** What went wrong on request. */
export interface ReplayInject {
  /** As --inject takes it. */
  readonly spec: string;
  readonly seed: number;
  /** Operations that were done again, because an injection had ended them. */
  readonly repeated: number;
  /** `injected: io_error 12` */
  readonly counts: string;
}

export interface ReplayResult {
  readonly schema: typeof REPLAY_SCHEMA;
  readonly kind: 'replay';
  /** The file as it was named. */
  readonly name: string;
  readonly verdict: ReplayVerdict;
  /** More about a verdict other than `agrees` and `differs`. */
  readonly message: string;
  readonly policy: string;
  readonly speed: Speed;
  readonly verify: boolean;
  /** Names of the programs, each once. */
  readonly programs: readonly string[];
  readonly trace: TraceSummary;
  readonly cpus: number;
  /** From the common start to the last report. */
  readonly wallMs: number;
  /** What the threads really ran, all together; undefined where the system does not tell. */
  readonly cpuMs: number | undefined;
  readonly ops: { readonly total: number; readonly done: number; readonly sleptForOrder: number };
  readonly faults: {
    readonly total: number;
    readonly replayed: number;
    /** Had to end with a signal, and did. */
    readonly refusedAsExpected: number;
    readonly rows: readonly FaultRow[];
  };
  readonly areas: { readonly total: number; readonly agreeing: number };
  /** Faults and calls that ended in another way than in the trace. */
  readonly unexpected: number;
  /** Calls that were not carried out, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** The first ones, in the order of the trace. */
  readonly differences: readonly Difference[];
  /** Null when files needed no device. */
  readonly io: ReplayIo | null;
  /** What was injected, as text; absent when nothing was. */
  readonly inject?: ReplayInject;
  readonly counters: Counters;
  readonly latency: readonly LatencySummary[];
  readonly locks: readonly LockStatRow[];
  readonly violations: readonly RunViolation[];
  readonly environment: Environment;
}

/** The last line of a report. */
export function verdictLine({ name, faults, unexpected, areas, inject }: ReplayResult): string {
  const injected = inject === undefined ? '' : `, inject=${inject.spec} seed=${inject.seed}`;
  return `replay: ${name}: ${faults.replayed} of ${faults.total} faults replayed, ${unexpected} unexpected, ${areas.agreeing} of ${areas.total} areas agree${injected}`;
}

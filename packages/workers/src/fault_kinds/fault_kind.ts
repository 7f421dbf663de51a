/**
 * A kind of fault: what has to be there, and the one access that faults. All kinds together are what a table of policies or of costs has as rows.
 * Next: by_name.ts lists them, measure.ts takes each once.
 */
import type { OneThreadMachine } from './one_thread_machine.ts';

export interface FaultKind {
  /** What happens, in a few words. */
  readonly name: string;
  /** Rows of the table of results (docs/FAULT_RESULTS.md) that its attempts go through under linux-6.18. */
  readonly rows: readonly number[];
  /** Makes everything ready. @returns the access; it ends well, or as `ends` says */
  prepare(machine: OneThreadMachine): () => number;
  /** The outcome of the access, if it is not 0. */
  readonly ends?: number;
}

/**
 * A trace made ready for the model: what each CPU executes, in the model's page numbers, as plain data for postMessage.
 * Next: compile_program.ts makes it, replay_cpu.ts executes it.
 */
import type { ThreadWaits } from '../perf_script/order.ts';
import type { InjectedTroubles } from '../program/outcome.ts';

/** An area that the kernel reported, in the model's pages. */
export interface ModelArea {
  readonly start: number;
  readonly end: number;
  /** "rw-p" */
  readonly prot: string;
  /** Number of the file in the plan, or NO_FILE. */
  readonly file: number;
  /** In pages. Only compared for areas of files. */
  readonly pgoff: number;
}

export const NO_FILE = -1;

/** What an area that the kernel made on its own is made of. segment: a part of a new program's file. */
export type AreaStyle = 'plain' | 'segment' | 'stack' | 'special';

/** A system call; addresses, lengths and offsets in pages. */
export type CallStep = {
  readonly do: 'call';
  /** What the call has to return: a page, 0, or a negative error number. */
  readonly expected: number;
  /** What the kernel reported while the call ran. */
  readonly areas: readonly ModelArea[];
} & (
  | {
      readonly call: 'mmap';
      readonly at: number;
      readonly pages: number;
      readonly prot: number;
      readonly flags: number;
      readonly file: number;
      readonly pgoff: number;
    }
  | { readonly call: 'munmap'; readonly at: number; readonly pages: number }
  | { readonly call: 'mprotect'; readonly at: number; readonly pages: number; readonly prot: number }
  | {
      readonly call: 'mremap';
      readonly at: number;
      readonly pages: number;
      readonly newPages: number;
      readonly flags: number;
      readonly newAt: number;
      /** The kernel chose the new place: the model has to find it free. */
      readonly chosen: boolean;
    }
  | { readonly call: 'madvise'; readonly at: number; readonly pages: number; readonly advice: number }
  | { readonly call: 'brk'; readonly at: number }
  /** Refused for its byte arguments, before any address space was looked at. */
  | { readonly call: 'refused'; readonly answer: number }
);

/** Everything that is not a fault. */
export type Step =
  | CallStep
  /** Not carried out, for a reason that the report names. */
  | { readonly do: 'skip'; readonly why: string }
  | { readonly do: 'area'; readonly area: ModelArea; readonly style: AreaStyle }
  | { readonly do: 'clone' }
  | { readonly do: 'fork'; readonly childSpace: number }
  | { readonly do: 'exec'; readonly space: number; readonly heap: number }
  | { readonly do: 'exit'; readonly last: boolean };

/** The operations of one thread of the trace: columns by position, as in ThreadProgram. */
export interface ReplayProgram {
  /** Index of the thread; waits name threads by this. */
  readonly thread: number;
  readonly kind: Uint8Array;
  readonly space: Int32Array;
  /** A fault: its page. Everything else: an index in `steps`. */
  readonly value: Int32Array;
  readonly code: Uint16Array;
  /** Milliseconds since the first event of the trace. */
  readonly timeMs: Float64Array;
  /** For each fault, what has to come of it: see Outcome in perf_script/layout.ts. */
  readonly outcome: Uint8Array;
  readonly waits: ThreadWaits;
  /** 1 where another thread waits for this operation: only then is the count published. */
  readonly awaited: Uint8Array;
  readonly steps: readonly Step[];
  /** The area after the stack grew, by position of the fault. */
  readonly growth: ReadonlyMap<number, ModelArea>;
}

export type Speed = 'max' | 'recorded';

/** What one CPU is given. */
export interface ReplayOrder {
  /** One after the other: threads that share a CPU have no overlapping lives. */
  readonly programs: readonly ReplayProgram[];
  readonly map: ReplayMap;
  readonly speed: Speed;
  readonly stackPagesMax: number;
  /** Disagreements kept per CPU; all are counted. */
  readonly keep: number;
  /** What injections may do to operations; absent when nothing is injected. */
  readonly troubles?: InjectedTroubles;
}

/** How the user words are divided; see completion.ts and spaces.ts. */
export interface ReplayMap {
  readonly threads: number;
  readonly spaces: number;
  readonly files: number;
}

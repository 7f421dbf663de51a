/**
 * A trace as operations of threads on address spaces: plain data that can be posted to another thread.
 * Faults are the bulk (millions), so they live in columns of numbers; everything rarer has an object in `details`.
 * Next: build_timeline.ts fills it.
 */

import type { AreaRecord, SysArgs, SysCall } from './events.ts';

/** What an operation is. The six system calls come first, under their names. */
export const OpKind = {
  mmap: 0,
  munmap: 1,
  mprotect: 2,
  mremap: 3,
  madvise: 4,
  brk: 5,
  fault: 6,
  /** The kernel made or changed an area outside any of the six calls. */
  area: 7,
  /** A new thread in the same address space. */
  clone: 8,
  /** A new process with a copy of the address space. */
  fork: 9,
  exec: 10,
  exit: 11,
} as const;
export type OpKind = (typeof OpKind)[keyof typeof OpKind];

/** All operations of a trace, by their index ("op"), in the order in which they began. */
export interface OpTable {
  readonly count: number;
  readonly kind: Uint8Array;
  /** Index in `threads`. */
  readonly thread: Int32Array;
  /** Position among the operations of its thread, from 0. */
  readonly seq: Int32Array;
  /** Index in `spaces`: the address space worked on; for exec the one that it leaves (-1 when the trace does not know one). */
  readonly space: Int32Array;
  /** A fault: its address in bytes. Everything else: an index in `details`. */
  readonly value: Float64Array;
  /** A fault: its error code. Everything else: 0. */
  readonly code: Uint16Array;
  readonly timeNs: Float64Array;
}

export interface CallDetail {
  readonly kind: 'call';
  readonly args: SysArgs;
  /** An address or 0, or a negative errno. */
  readonly result: number;
  /** The areas that the kernel reported while the call ran, in their order. */
  readonly records: readonly AreaRecord[];
  readonly leaveNs: number;
  /** brk only: the end of the heap before the call, in bytes; 0 when the trace does not tell. */
  readonly brkBefore: number;
}

/** exec: a part of a new program. growth: a stack grew. initial: was there when recording began. other: anything else. */
export type AreaReason = 'exec' | 'growth' | 'initial' | 'other';

export type Detail =
  | CallDetail
  | { readonly kind: 'area'; readonly reason: AreaReason; readonly record: AreaRecord }
  | { readonly kind: 'clone'; readonly child: number }
  | { readonly kind: 'fork'; readonly child: number; readonly childSpace: number }
  | { readonly kind: 'exec'; readonly space: number; readonly name: string }
  /** `last`: no thread of the process is left, so its address space goes. */
  | { readonly kind: 'exit'; readonly last: boolean };

export interface TraceThread {
  readonly tid: number;
  readonly pid: number;
  /** Its last name. */
  readonly name: string;
  /** The clone or fork that made it, as an op; -1 for a thread that was there before. */
  readonly creator: number;
  /** Its operations, in order. */
  readonly ops: Int32Array;
}

export interface TraceSpace {
  readonly pid: number;
  readonly origin: 'fork' | 'exec' | 'initial';
  /** fork: the address space that it was copied from, else -1. */
  readonly parent: number;
  /** Start of the heap in bytes, from the first brk; 0 when there is none. A copy has its parent's. */
  readonly start_brk: number;
  /** End of the area that the kernel called [stack], in bytes; 0 when there is none. */
  readonly stackEnd: number;
}

export interface TraceFile {
  /** As in AreaRecord.file. */
  readonly identity: string;
  readonly name: string;
  /** Pages that the trace maps of it, from its start. */
  readonly pages: number;
}

export interface TraceSummary {
  readonly lines: number;
  readonly threads: number;
  readonly processes: number;
  readonly spaces: number;
  readonly files: number;
  readonly faults: {
    readonly total: number;
    readonly read: number;
    readonly write: number;
    readonly exec: number;
    readonly present: number;
    readonly absent: number;
  };
  readonly calls: Readonly<Record<SysCall, number>>;
  /** Areas that the kernel reported: in calls, in faults, and on its own. */
  readonly areas: number;
  readonly lost: number;
  /** Events that are not used, by name. */
  readonly ignored: Readonly<Record<string, number>>;
  /** Calls without their end, and ends without their call: the recording began or ended inside them, or lost events. */
  readonly unpaired: number;
  readonly firstNs: number;
  readonly lastNs: number;
}

/** Moments of operations in the order of the lines, packed as op * MARKS + mark. */
export const MARKS = 4;
export const Mark = { enter: 0, record: 1, leave: 2, whole: 3 } as const;

export interface Timeline {
  readonly threads: readonly TraceThread[];
  readonly spaces: readonly TraceSpace[];
  readonly ops: OpTable;
  readonly details: readonly Detail[];
  /** The area that the kernel reported right after a fault, because the fault grew a stack: by op. */
  readonly growth: ReadonlyMap<number, AreaRecord>;
  readonly marks: Float64Array;
  readonly files: readonly TraceFile[];
  readonly summary: TraceSummary;
}

/** The object of an operation that is not a fault. */
export function detailOf(timeline: Timeline, op: number): Detail {
  return timeline.details[timeline.ops.value[op] as number] as Detail;
}

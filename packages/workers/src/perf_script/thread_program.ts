/**
 * The part of a trace that one thread has to replay: its operations and its waits, as plain data for postMessage.
 * Next: address_windows.ts makes its addresses fit the model.
 */

import type { AreaRecord } from './events.ts';
import type { Order, ThreadWaits } from './order.ts';
import { type Detail, OpKind, type Timeline, type TraceThread } from './timeline.ts';

/** Columns as in OpTable, for the operations of one thread, by their position `seq`. */
export interface ThreadProgram {
  /** Index of the thread; waits name threads by this. */
  readonly thread: number;
  readonly tid: number;
  readonly pid: number;
  readonly name: string;
  readonly kind: Uint8Array;
  readonly space: Int32Array;
  /** A fault: its address in bytes. Everything else: an index in this program's `details`. */
  readonly value: Float64Array;
  readonly code: Uint16Array;
  readonly timeNs: Float64Array;
  /** For each fault, what the areas of the trace mean for it: see Outcome in layout.ts. */
  readonly outcome: Uint8Array;
  readonly waits: ThreadWaits;
  readonly details: readonly Detail[];
  /** The area after the stack grew, for the faults that did that. */
  readonly growth: ReadonlyMap<number, AreaRecord>;
}

export function programOf(timeline: Timeline, order: Order, thread: number): ThreadProgram {
  const { tid, pid, name, ops } = timeline.threads[thread] as TraceThread;
  const table = timeline.ops;
  const details: Detail[] = [];
  const growth = new Map<number, AreaRecord>();
  const value = Float64Array.from(ops, (op, seq) => {
    const of = table.value[op] as number;
    const record = timeline.growth.get(op);
    if (record !== undefined) growth.set(seq, record);
    return table.kind[op] === OpKind.fault ? of : details.push(timeline.details[of] as Detail) - 1;
  });
  return {
    thread,
    tid,
    pid,
    name,
    kind: Uint8Array.from(ops, (op) => table.kind[op] as number),
    space: Int32Array.from(ops, (op) => table.space[op] as number),
    value,
    code: Uint16Array.from(ops, (op) => table.code[op] as number),
    timeNs: Float64Array.from(ops, (op) => table.timeNs[op] as number),
    outcome: Uint8Array.from(ops, (op) => order.effects.outcome[op] as number),
    waits: order.waits[thread] as ThreadWaits,
    details,
    growth,
  };
}

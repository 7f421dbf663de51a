/**
 * The table of operations while it grows, and its final form, in which abandoned operations are gone.
 * Next: build_timeline.ts
 */

import { type Growing, growingFloat64, growingInt32, growingUint8, growingUint16 } from './growing.ts';
import { MARKS, type OpTable } from './timeline.ts';

export interface NewOp {
  readonly kind: number;
  readonly thread: number;
  readonly space: number;
  readonly value: number;
  readonly code: number;
  readonly timeNs: number;
}

const ABANDONED = 255;

export class OpBuilder {
  private readonly kind: Growing<Uint8Array> = growingUint8();
  private readonly thread: Growing<Int32Array> = growingInt32();
  private readonly space: Growing<Int32Array> = growingInt32();
  private readonly value: Growing<Float64Array> = growingFloat64();
  private readonly code: Growing<Uint16Array> = growingUint16();
  private readonly timeNs: Growing<Float64Array> = growingFloat64();
  private readonly marks: Growing<Float64Array> = growingFloat64();

  get count(): number {
    return this.kind.length;
  }

  add(op: NewOp): number {
    this.kind.push(op.kind);
    this.thread.push(op.thread);
    this.space.push(op.space);
    this.value.push(op.value);
    this.code.push(op.code);
    this.timeNs.push(op.timeNs);
    return this.count - 1;
  }

  mark(op: number, mark: number): void {
    this.marks.push(op * MARKS + mark);
  }

  /** Takes an operation out again: the trace does not say how it ended. */
  abandon(op: number): void {
    this.kind.put(op, ABANDONED);
  }

  setDetail(op: number, detail: number): void {
    this.value.put(op, detail);
  }

  addressOf(op: number): number {
    return this.value.at(op);
  }

  /** Final columns. `renumber` maps an op from before to its final index, or -1 when it was abandoned. */
  finish(threads: number): { ops: OpTable; marks: Float64Array; perThread: Int32Array[]; renumber: Int32Array } {
    const renumber = new Int32Array(this.count).fill(-1);
    let count = 0;
    for (let op = 0; op < this.count; op++) if (this.kind.at(op) !== ABANDONED) renumber[op] = count++;
    const perThread = Array.from({ length: threads }, () => [] as number[]);
    const seq = new Int32Array(count);
    for (let op = 0; op < this.count; op++) {
      const final = renumber[op] as number;
      if (final < 0) continue;
      const own = perThread[this.thread.at(op)] as number[];
      seq[final] = own.push(final) - 1;
    }
    const keep = <T extends Uint8Array | Int32Array | Float64Array | Uint16Array>(column: Growing<T>): T => {
      const all = column.finish();
      // Every final index is at most the one from before, so this can be done in place.
      for (let op = 0; op < this.count; op++) {
        const final = renumber[op] as number;
        if (final >= 0) all[final] = all[op] as number;
      }
      return all.slice(0, count) as T;
    };
    const ops: OpTable = {
      count,
      kind: keep(this.kind),
      thread: keep(this.thread),
      seq,
      space: keep(this.space),
      value: keep(this.value),
      code: keep(this.code),
      timeNs: keep(this.timeNs),
    };
    return { ops, marks: this.finishMarks(renumber), perThread: perThread.map((own) => Int32Array.from(own)), renumber };
  }

  private finishMarks(renumber: Int32Array): Float64Array {
    const all = this.marks.finish();
    let count = 0;
    for (const packed of all) {
      const op = renumber[Math.floor(packed / MARKS)] as number;
      if (op >= 0) all[count++] = op * MARKS + (packed % MARKS);
    }
    return all.slice(0, count);
  }
}

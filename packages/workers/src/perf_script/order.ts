/**
 * What each thread has to wait for, so that threads that run freely still do what the trace did.
 *
 * Changes of an address space happen in one order, which is a chain. A fault waits for the last change of its page, and
 * a change waits for the other threads' faults on the pages that it touches. Each wait is "thread t has completed n
 * operations", and leaves out what follows from the waits of the same thread before.
 * All waits point backwards in the order of effects, so they cannot form a cycle.
 * Next: thread_program.ts hands one thread its part.
 */

import { type Effects, orderEffects } from './effect_order.ts';
import { pageOf } from './events.ts';
import { type Growing, growingInt32 } from './growing.ts';
import { type PageRange, touchedBy } from './ranges.ts';
import { SpaceHistory } from './space_history.ts';
import { type Detail, detailOf, OpKind, type Timeline, type TraceThread } from './timeline.ts';

/** The waits of one thread: those before its operation `seq` have the indices start[seq] up to start[seq + 1]. */
export interface ThreadWaits {
  readonly start: Uint32Array;
  /** Whom to wait for, as an index in `threads`. */
  readonly thread: Int32Array;
  /** How many operations it must have completed. */
  readonly count: Int32Array;
}

export interface Order {
  readonly effects: Effects;
  readonly waits: readonly ThreadWaits[];
  /** All waits together. */
  readonly count: number;
}

export function orderOf(timeline: Timeline): Order {
  const effects = orderEffects(timeline);
  const builder = new WaitBuilder(timeline, effects);
  for (const op of effects.order) builder.add(op);
  const waits = builder.finish();
  return { effects, waits, count: waits.reduce((sum, { thread }) => sum + thread.length, 0) };
}

interface Collected {
  readonly start: Uint32Array;
  readonly thread: Growing<Int32Array>;
  readonly count: Growing<Int32Array>;
  /** Most operations of each other thread that this one has waited for. */
  readonly known: Map<number, number>;
}

class WaitBuilder {
  private readonly timeline: Timeline;
  private readonly effects: Effects;
  private readonly collected: Collected[];
  private readonly histories = new Map<number, SpaceHistory>();
  private needs = new Map<number, number>();

  constructor(timeline: Timeline, effects: Effects) {
    this.timeline = timeline;
    this.effects = effects;
    this.collected = timeline.threads.map(({ ops }) => ({
      start: new Uint32Array(ops.length + 1),
      thread: growingInt32(),
      count: growingInt32(),
      known: new Map(),
    }));
  }

  /** Takes the operations in the order of their effects. */
  add(op: number): void {
    const { ops } = this.timeline;
    const thread = ops.thread[op] as number;
    if (ops.seq[op] === 0) this.needCreator(thread);
    const space = ops.space[op] as number;
    if (ops.kind[op] === OpKind.fault) this.addFault(op, thread, this.historyOf(space));
    else this.addOther(op, thread, space, detailOf(this.timeline, op));
    this.write(op, thread);
  }

  finish(): ThreadWaits[] {
    return this.collected.map(({ start, thread, count }) => ({ start, thread: thread.finish(), count: count.finish() }));
  }

  private addFault(op: number, thread: number, history: SpaceHistory): void {
    const page = pageOf(this.timeline.ops.value[op] as number);
    this.needOp(history.lastChange(thread, page));
    const grown = this.effects.grown.get(op);
    if (grown !== undefined) this.addChange(op, thread, history, [grown]);
    history.fault(op, page);
    history.ran(thread, op);
  }

  private addOther(op: number, thread: number, space: number, detail: Detail): void {
    const history = this.historyOf(space);
    if (detail.kind === 'call' || detail.kind === 'area') this.addChange(op, thread, history, touchedBy(detail));
    else if (detail.kind === 'fork' || detail.kind === 'exec' || (detail.kind === 'exit' && detail.last)) {
      this.needOp(history.previousChange(thread));
      for (const last of history.lastOps()) this.needOp(last);
      history.changeAll(op, thread);
    }
    if (detail.kind === 'fork') this.begin(detail.childSpace, op, detail.child);
    if (detail.kind === 'exec') this.begin(detail.space, op, thread);
    history.ran(thread, op);
  }

  private addChange(op: number, thread: number, history: SpaceHistory, ranges: readonly PageRange[]): void {
    this.needOp(history.previousChange(thread));
    for (const range of ranges) for (const fault of history.takeFaults(range)) this.needOp(fault);
    history.change(op, thread, ranges);
  }

  /** A new address space starts with the operation that made it. */
  private begin(space: number, op: number, thread: number): void {
    this.historyOf(space).changeAll(op, thread);
  }

  private needCreator(thread: number): void {
    const { creator } = this.timeline.threads[thread] as TraceThread;
    if (creator !== -1) this.needOp(creator);
  }

  private needOp(op: number): void {
    if (op === -1) return;
    const { ops } = this.timeline;
    const thread = ops.thread[op] as number;
    this.needs.set(thread, Math.max(this.needs.get(thread) ?? 0, (ops.seq[op] as number) + 1));
  }

  private write(op: number, thread: number): void {
    const own = this.collected[thread] as Collected;
    for (const [other, count] of this.needs) {
      if (other === thread || (own.known.get(other) ?? 0) >= count) continue;
      own.known.set(other, count);
      own.thread.push(other);
      own.count.push(count);
    }
    this.needs.clear();
    own.start[(this.timeline.ops.seq[op] as number) + 1] = own.thread.length;
  }

  private historyOf(space: number): SpaceHistory {
    const known = this.histories.get(space);
    if (known !== undefined) return known;
    const fresh = new SpaceHistory(this.timeline.ops.thread);
    this.histories.set(space, fresh);
    return fresh;
  }
}

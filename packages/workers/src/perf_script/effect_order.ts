/**
 * Puts the operations of a trace in one order in which they can have taken effect: each between its first and its last
 * line, so that every address space makes sense at every step.
 *
 *   thread A                thread B
 *   1 enters munmap(x)
 *                           2 enters mmap
 *                           3 the kernel reports a new area at x   <- decides: A's munmap was over before this
 *   4 leaves munmap
 *
 * A call takes effect when the kernel reports its first area, or else when it returns; earlier when another thread's
 * operation shows that it was over: a new area where it removes, or a fault where it makes an area.
 * A fault takes effect at its line, unless a call in progress is what it needs: then it may have waited for the lock, and
 * gets the time until the next line of its thread.
 * Next: order.ts turns this order into what each thread has to wait for.
 */

import { pageOf } from './events.ts';
import { allows, Layouts, Outcome, protBits } from './layout.ts';
import { createdBy, overlaps, type PageRange, removedBy, requestedBy, succeeded } from './ranges.ts';
import { type CallDetail, detailOf, MARKS, Mark, OpKind, type Timeline } from './timeline.ts';

export interface Effects {
  /** All operations in the order of their effects. Within a thread it is the order of the program. */
  readonly order: Int32Array;
  /** For each fault, by op: whether the areas of that moment serve it. 0 for everything else. */
  readonly outcome: Uint8Array;
  /** Pages that a fault added to a stack, by op. */
  readonly grown: ReadonlyMap<number, PageRange>;
}

export function orderEffects(timeline: Timeline): Effects {
  return new EffectOrder(timeline).run();
}

class EffectOrder {
  private readonly timeline: Timeline;
  private readonly layouts = new Layouts();
  private readonly order: Int32Array;
  private readonly outcome: Uint8Array;
  private readonly grown = new Map<number, PageRange>();
  private readonly placed: Uint8Array;
  /** Calls that were entered and have not taken effect, per address space. */
  private readonly open = new Map<number, Set<number>>();
  /** Faults that were not served at their line and may still be, by thread. */
  private readonly waiting = new Map<number, number>();
  private count = 0;

  constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.order = new Int32Array(timeline.ops.count);
    this.outcome = new Uint8Array(timeline.ops.count);
    this.placed = new Uint8Array(timeline.ops.count);
  }

  run(): Effects {
    for (const packed of this.timeline.marks) {
      const op = Math.floor(packed / MARKS);
      this.endWaiting(this.timeline.ops.thread[op] as number);
      if (packed % MARKS === Mark.enter) this.openIn(this.spaceOf(op)).add(op);
      else if (this.timeline.ops.kind[op] === OpKind.fault) this.fault(op);
      else this.place(op);
    }
    for (const thread of [...this.waiting.keys()]) this.endWaiting(thread);
    return { order: this.order, outcome: this.outcome, grown: this.grown };
  }

  private fault(op: number): void {
    const growth = this.timeline.growth.get(op);
    if (growth !== undefined) this.grown.set(op, { start: pageOf(growth.start), end: this.layouts.grow(this.spaceOf(op), growth) });
    this.outcome[op] = this.outcomeNow(op);
    if (this.outcome[op] !== Outcome.served && this.callsThatServe(op).length > 0)
      this.waiting.set(this.timeline.ops.thread[op] as number, op);
    else this.order[this.count++] = op;
  }

  private outcomeNow(op: number): Outcome {
    const { value, code } = this.timeline.ops;
    return this.layouts.outcomeAt(this.spaceOf(op), pageOf(value[op] as number), code[op] as number);
  }

  /** The thread goes on, so its fault is over: whatever the areas say now, it is what happened. */
  private endWaiting(thread: number): void {
    const op = this.waiting.get(thread);
    if (op === undefined) return;
    this.waiting.delete(thread);
    if (this.outcomeNow(op) !== Outcome.served) {
      // Only a call whose moment the trace does not tell can have been over by now.
      const unseen = this.callsThatServe(op).find((call) => (detailOf(this.timeline, call) as CallDetail).records.length === 0);
      if (unseen !== undefined) this.place(unseen);
    }
    this.outcome[op] = this.outcomeNow(op);
    this.order[this.count++] = op;
  }

  /** Calls in progress, of other threads, after which a fault can be served. */
  private callsThatServe(fault: number): number[] {
    const page = pageOf(this.timeline.ops.value[fault] as number);
    const code = this.timeline.ops.code[fault] as number;
    return [...this.openIn(this.spaceOf(fault))].filter(
      (op) => !this.sameThread(op, fault) && serves(detailOf(this.timeline, op) as CallDetail, page, code),
    );
  }

  /** Faults that can be served since the last change, or never because the address space goes. */
  private endWaitingIn(space: number, everything: boolean): void {
    for (const [thread, op] of [...this.waiting]) {
      if (this.spaceOf(op) === space && (everything || this.outcomeNow(op) === Outcome.served)) this.endWaiting(thread);
    }
  }

  private place(op: number): void {
    if (this.placed[op] === 1) return;
    this.placed[op] = 1;
    const detail = detailOf(this.timeline, op);
    const open = this.openIn(this.spaceOf(op));
    open.delete(op);
    const created = createdBy(detail);
    if (created.end > created.start) {
      for (const other of open)
        if (!this.sameThread(other, op) && overlaps(removedBy(detailOf(this.timeline, other)), created)) this.place(other);
    }
    if (this.waiting.size > 0 && (detail.kind === 'exec' || detail.kind === 'exit')) this.endWaitingIn(this.spaceOf(op), true);
    this.layouts.apply(this.spaceOf(op), detail);
    this.order[this.count++] = op;
    if (this.waiting.size > 0) this.endWaitingIn(this.spaceOf(op), false);
  }

  private spaceOf(op: number): number {
    return this.timeline.ops.space[op] as number;
  }

  private sameThread(a: number, b: number): boolean {
    return this.timeline.ops.thread[a] === this.timeline.ops.thread[b];
  }

  private openIn(space: number): Set<number> {
    const known = this.open.get(space);
    if (known !== undefined) return known;
    const fresh = new Set<number>();
    this.open.set(space, fresh);
    return fresh;
  }
}

/** Whether a fault that cannot be served without this call can be served after it. */
function serves(detail: CallDetail, page: number, code: number): boolean {
  if (!succeeded(detail)) return false;
  const { args } = detail;
  const holds = ({ start, end }: PageRange): boolean => page >= start && page < end;
  if (args.call === 'mprotect') return holds(requestedBy(args)) && allows(args.prot, code);
  if (args.call === 'mmap') return holds(createdBy(detail)) && allows(args.prot, code);
  return holds(createdBy(detail)) && allows(protBits('rw-p'), code);
}

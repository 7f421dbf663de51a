/**
 * Joins the events of a trace into operations: the lines of a system call become one, areas go to the call, fault or
 * exec that made them, and threads and processes get their address spaces.
 * @fidelity reduced: a vfork cannot be told from a fork by these events, and counts as one.
 * Next: effect_order.ts decides when each operation took effect.
 */

import type { AreaRecord, TaskName, TraceEvent } from './events.ts';
import { PAGE_BYTES, pageOf } from './events.ts';
import { OpBuilder } from './op_builder.ts';
import type { ByteSource } from './read_trace.ts';
import { readTrace } from './read_trace.ts';
import { SummaryBuilder } from './summary.ts';
import { Process, SpaceTable, type Thread } from './tasks.ts';
import type { AreaReason, CallDetail, Detail, Timeline } from './timeline.ts';
import { Mark, OpKind } from './timeline.ts';

/** Reads a trace (a path, "-" or bytes) into a timeline. Rejects with UsageError as readTrace does. */
export async function loadTimeline(input: string | ByteSource, name?: string): Promise<Timeline> {
  const builder = new TimelineBuilder();
  const { lines } = await readTrace(input, (event) => builder.add(event), name);
  return builder.finish(lines);
}

type EventOf<Kind extends TraceEvent['kind']> = TraceEvent & { readonly kind: Kind };

/** Takes the events of one trace in their order; `finish` gives the timeline. */
export class TimelineBuilder {
  private readonly ops = new OpBuilder();
  private readonly details: Detail[] = [];
  private readonly growth = new Map<number, AreaRecord>();
  private readonly spaces = new SpaceTable();
  private readonly threads: Thread[] = [];
  private readonly alive = new Map<number, Thread>();
  private readonly processes = new Map<number, Process>();
  private readonly summary = new SummaryBuilder();

  add(event: TraceEvent): void {
    this.summary.count(event);
    switch (event.kind) {
      case 'fault':
        this.addFault(event);
        return;
      case 'enter':
        this.enter(event);
        return;
      case 'leave':
        this.leave(event);
        return;
      case 'area':
        this.addArea(event);
        return;
      case 'fork':
        this.addFork(event);
        return;
      case 'comm':
        this.addComm(event);
        return;
      case 'exit':
        this.addExit(event);
        return;
      case 'lost':
      case 'other':
        return;
    }
  }

  finish(lines: number): Timeline {
    for (const thread of this.threads) this.abandonCall(thread);
    const { ops, marks, perThread, renumber } = this.ops.finish(this.threads.length);
    const threads = this.threads.map(({ tid, process, name, creator }, index) => ({
      tid,
      pid: process.pid,
      name,
      creator: creator === -1 ? -1 : (renumber[creator] as number),
      ops: perThread[index] as Int32Array,
    }));
    const spaces = this.spaces.finish();
    return {
      threads,
      spaces,
      ops,
      details: this.details,
      growth: new Map([...this.growth].map(([op, record]) => [renumber[op] as number, record])),
      marks,
      files: this.summary.files(),
      summary: this.summary.finish(lines, {
        threads: threads.length,
        processes: new Set(this.threads.map(({ process }) => process)).size,
        spaces: spaces.length,
      }),
    };
  }

  private addFault(event: EventOf<'fault'>): void {
    const thread = this.actor(event, event.timeNs);
    if (thread === undefined) return;
    const op = this.ops.add({
      kind: OpKind.fault,
      thread: thread.index,
      space: thread.process.space,
      value: event.address,
      code: event.error_code,
      timeNs: event.timeNs,
    });
    this.ops.mark(op, Mark.whole);
    thread.lastFault = op;
  }

  private enter(event: EventOf<'enter'>): void {
    const thread = this.actor(event, event.timeNs);
    if (thread === undefined) return;
    this.abandonCall(thread);
    const op = this.ops.add({
      kind: OpKind[event.args.call],
      thread: thread.index,
      space: thread.process.space,
      value: -1,
      code: 0,
      timeNs: event.timeNs,
    });
    this.ops.mark(op, Mark.enter);
    thread.lastFault = -1;
    thread.open = { op, records: [], event };
  }

  private leave(event: EventOf<'leave'>): void {
    const thread = this.alive.get(event.tid);
    const open = thread?.open;
    if (thread === undefined || open === undefined || open.event.args.call !== event.call) {
      if (event.pid > 0) this.summary.unpaired++;
      return;
    }
    thread.open = undefined;
    const detail: CallDetail = {
      kind: 'call',
      args: open.event.args,
      result: event.result,
      records: open.records,
      leaveNs: event.timeNs,
      brkBefore: event.call === 'brk' ? this.spaces.moveBrk(thread.process.space, event.result, open.records) : 0,
    };
    this.ops.setDetail(open.op, this.details.push(detail) - 1);
    this.ops.mark(open.op, Mark.leave);
  }

  private addArea(event: EventOf<'area'>): void {
    const { owner, area } = event;
    if (owner.pid <= 0) return;
    const process = this.processes.get(owner.pid);
    const thread = this.alive.get(owner.tid);
    if (process === undefined || thread === undefined) {
      // Nothing ran yet: this area was there before, unless an exec follows and replaces it.
      (process ?? this.addProcess(owner.pid)).before.push(area);
      return;
    }
    this.summary.addArea(area);
    if (area.name === '[stack]') this.spaces.setStackEnd(process.space, area.start + area.len);
    const { open, lastFault } = thread;
    if (open !== undefined) {
      open.records.push(area);
      this.ops.mark(open.op, Mark.record);
    } else if (lastFault !== -1 && pageOf(this.ops.addressOf(lastFault)) * PAGE_BYTES === area.start) {
      this.growth.set(lastFault, area);
      thread.lastFault = -1;
    } else {
      this.addKernelArea(thread, area, reasonOf(process, area), event.timeNs);
    }
  }

  private addKernelArea(thread: Thread, record: AreaRecord, reason: AreaReason, timeNs: number): void {
    this.addWhole(OpKind.area, thread, { kind: 'area', reason, record }, timeNs);
  }

  private addFork(event: EventOf<'fork'>): void {
    const { child, parent } = event;
    if (parent.pid <= 0 || child.pid <= 0) return;
    const creator = this.actor({ ...parent, comm: event.comm }, event.timeNs);
    if (creator === undefined || this.alive.has(child.tid)) return;
    this.abandonCall(creator);
    if (child.pid === parent.pid) {
      const thread = this.addThread(child.tid, creator.process, creator.name);
      thread.creator = this.addWhole(OpKind.clone, creator, { kind: 'clone', child: thread.index }, event.timeNs);
      return;
    }
    const space = this.spaces.copy(creator.process.space, child.pid);
    const process = this.addProcess(child.pid);
    process.space = space;
    const thread = this.addThread(child.tid, process, creator.name);
    thread.creator = this.addWhole(OpKind.fork, creator, { kind: 'fork', child: thread.index, childSpace: space }, event.timeNs);
  }

  private addComm(event: EventOf<'comm'>): void {
    const { task, name, exec } = event;
    const known = this.alive.get(task.tid);
    if (known !== undefined) known.name = name;
    if (!exec || task.pid <= 0) return;
    const process = this.processes.get(task.pid) ?? this.addProcess(task.pid);
    const thread = known ?? this.addThread(task.tid, process, name);
    for (const other of process.threads) if (other !== thread) this.end(other);
    this.abandonCall(thread);
    process.before.length = 0;
    const space = this.spaces.add(task.pid, 'exec');
    this.addWhole(OpKind.exec, thread, { kind: 'exec', space, name }, event.timeNs);
    process.space = space;
    process.loading = true;
  }

  private addExit(event: EventOf<'exit'>): void {
    const thread = this.alive.get(event.task.tid);
    if (thread === undefined || thread.process.pid !== event.task.pid) return;
    this.end(thread);
    this.addWhole(OpKind.exit, thread, { kind: 'exit', last: thread.process.threads.size === 0 }, event.timeNs);
  }

  /** The thread of a line, made when the trace has not shown it before; undefined for the kernel's own. */
  private actor(task: TaskName & { readonly comm: string }, timeNs: number): Thread | undefined {
    if (task.pid <= 0) return undefined;
    const process = this.processes.get(task.pid) ?? this.addProcess(task.pid);
    const thread = this.alive.get(task.tid) ?? this.addThread(task.tid, process, task.comm);
    if (process.space === -1) {
      process.space = this.spaces.add(task.pid, 'initial');
      for (const record of process.before.splice(0)) {
        this.summary.addArea(record);
        if (record.name === '[stack]') this.spaces.setStackEnd(process.space, record.start + record.len);
        this.addKernelArea(thread, record, 'initial', timeNs);
      }
    }
    process.loading = false;
    return thread;
  }

  private addProcess(pid: number): Process {
    const process = new Process(pid);
    this.processes.set(pid, process);
    return process;
  }

  private addThread(tid: number, process: Process, name: string): Thread {
    const thread: Thread = { index: this.threads.length, tid, process, name, creator: -1, open: undefined, lastFault: -1 };
    this.threads.push(thread);
    this.alive.set(tid, thread);
    process.threads.add(thread);
    return thread;
  }

  private addWhole(kind: number, thread: Thread, detail: Detail, timeNs: number): number {
    const op = this.ops.add({
      kind,
      thread: thread.index,
      space: thread.process.space,
      value: this.details.push(detail) - 1,
      code: 0,
      timeNs,
    });
    this.ops.mark(op, Mark.whole);
    thread.lastFault = -1;
    return op;
  }

  private abandonCall(thread: Thread): void {
    if (thread.open === undefined) return;
    this.ops.abandon(thread.open.op);
    this.summary.unpaired++;
    thread.open = undefined;
  }

  private end(thread: Thread): void {
    this.abandonCall(thread);
    this.alive.delete(thread.tid);
    thread.process.threads.delete(thread);
  }
}

function reasonOf(process: Process, area: AreaRecord): AreaReason {
  if (process.loading) return 'exec';
  return area.name === '[stack]' ? 'growth' : 'other';
}

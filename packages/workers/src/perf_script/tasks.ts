/**
 * The threads, processes and address spaces of a trace while it is read.
 * Next: build_timeline.ts
 */

import type { AreaRecord, TraceEvent } from './events.ts';
import type { TraceSpace } from './timeline.ts';

/** A call that was entered and has not returned. */
export interface OpenCall {
  readonly op: number;
  readonly records: AreaRecord[];
  readonly event: TraceEvent & { readonly kind: 'enter' };
}

export interface Thread {
  readonly index: number;
  readonly tid: number;
  readonly process: Process;
  name: string;
  creator: number;
  open: OpenCall | undefined;
  /** Its last operation, when that was a fault, else -1. */
  lastFault: number;
}

export class Process {
  readonly pid: number;
  /** -1 until the first operation, exec or fork shows one. */
  space = -1;
  /** An exec happened and none of its threads has run user code since. */
  loading = false;
  /** Areas reported before anything of the process ran. */
  readonly before: AreaRecord[] = [];
  readonly threads: Set<Thread> = new Set();

  constructor(pid: number) {
    this.pid = pid;
  }
}

interface Space {
  readonly pid: number;
  readonly origin: TraceSpace['origin'];
  readonly parent: number;
  start_brk: number;
  stackEnd: number;
  brk: number;
}

export class SpaceTable {
  private readonly spaces: Space[] = [];

  add(pid: number, origin: TraceSpace['origin']): number {
    return this.spaces.push({ pid, origin, parent: -1, start_brk: 0, stackEnd: 0, brk: 0 }) - 1;
  }

  copy(parent: number, pid: number): number {
    const { start_brk, stackEnd, brk } = this.at(parent);
    return this.spaces.push({ pid, origin: 'fork', parent, start_brk, stackEnd, brk }) - 1;
  }

  setStackEnd(space: number, end: number): void {
    this.at(space).stackEnd = end;
  }

  /** A brk call returned. Returns where the heap ended before it, as far as the trace told. */
  moveBrk(space: number, result: number, records: readonly AreaRecord[]): number {
    const own = this.at(space);
    const before = own.brk === 0 ? (records[0]?.start ?? result) : own.brk;
    if (own.start_brk === 0) own.start_brk = before;
    own.brk = result;
    return before;
  }

  finish(): TraceSpace[] {
    return this.spaces.map(({ pid, origin, parent, start_brk, stackEnd }) => ({ pid, origin, parent, start_brk, stackEnd }));
  }

  private at(space: number): Space {
    return this.spaces[space] as Space;
  }
}

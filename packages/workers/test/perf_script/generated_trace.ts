/**
 * Plays a random program of several threads on a true address space and writes down what perf would have seen: each call
 * begins, takes effect and returns at different moments, and the effect shows only where the kernel reports an area.
 * The program is sane: no two calls in progress work on the same pages, and nobody uses an area before it is known.
 */

import { letters, TraceText } from './trace_text.ts';

const PAGE = 4096;
const BASE = 0x7f0000000;
const PAGES = 48;
const HEAP = BASE + 100;
const THREADS_MAX = 5;

interface Pending {
  readonly call: 'mmap' | 'munmap' | 'mprotect' | 'mremap' | 'madvise' | 'brk';
  readonly start: number;
  readonly length: number;
  readonly prot: number;
  readonly fixed: boolean;
  result: number;
  effective: boolean;
  /** Pages that nobody else may use until the call returns. */
  claimed: readonly number[];
}

interface Truth {
  readonly prot: Map<number, number>;
  heapEnd: number;
}

interface Actor {
  readonly task: string;
  readonly pid: number;
  pending: Pending | undefined;
}

/** The trace, and for each fault in it, in order, whether it was served. */
export interface Generated {
  readonly trace: TraceText;
  readonly served: readonly boolean[];
}

/** `choices` decide everything; the program ends when they are used up. */
export function generateTrace(choices: readonly number[]): Generated {
  return new Generator(choices).run();
}

const span = (start: number, length: number): number[] => Array.from({ length }, (_, index) => start + index);

class Generator {
  private readonly trace = new TraceText();
  private readonly served: boolean[] = [];
  private readonly actors: Actor[] = [];
  private readonly truths = new Map<number, Truth>();
  private readonly choices: readonly number[];
  private at = 0;
  private nextTid = 5;

  constructor(choices: readonly number[]) {
    this.choices = choices;
  }

  run(): Generated {
    this.truths.set(5, { prot: new Map(), heapEnd: HEAP });
    this.trace
      .exec('5/5')
      .enter('5/5', 'brk', { brk: 0 })
      .leave('5/5', 'brk', HEAP * PAGE);
    this.addActor(5, 5);
    while (this.at < this.choices.length) this.step(this.actors[this.pick(this.actors.length)] as Actor);
    for (const actor of this.actors) while (actor.pending !== undefined) this.advance(actor, actor.pending);
    for (const actor of this.actors) this.trace.exit(actor.task);
    return { trace: this.trace, served: this.served };
  }

  private pick(below: number): number {
    return (this.choices[this.at++] ?? 0) % below;
  }

  private addActor(pid: number, tid: number): void {
    this.nextTid = Math.max(this.nextTid, tid) + 1;
    this.actors.push({ task: `${pid}/${tid}`, pid, pending: undefined });
  }

  private step(actor: Actor): void {
    if (actor.pending !== undefined) this.advance(actor, actor.pending);
    else this.start(actor, this.pick(14));
  }

  private start(actor: Actor, what: number): void {
    if (what < 5) this.fault(actor);
    else if (what === 5) this.clone(actor);
    else if (what === 6) this.fork(actor);
    else this.begin(actor, (['mmap', 'mmap', 'munmap', 'mprotect', 'mremap', 'madvise', 'brk'] as const)[what - 7] as Pending['call']);
  }

  private fault({ task, pid }: Actor): void {
    const { prot } = this.truthOf(pid);
    const page = BASE + this.pick(PAGES);
    const code = [4, 6, 0x14][this.pick(3)] as number;
    if (this.claimedIn(pid).has(page)) return;
    const own = prot.get(page);
    const served = own !== undefined && (code === 6 ? (own & 2) !== 0 : code === 4 ? own !== 0 : (own & 4) !== 0);
    // Next to a call in progress the trace cannot tell whether a fault failed or waited.
    if (!served && this.actors.some((actor) => actor.pid === pid && actor.pending !== undefined)) return;
    this.served.push(served);
    this.trace.fault(task, page * PAGE, code);
  }

  private clone({ task, pid }: Actor): void {
    if (this.actors.length === THREADS_MAX) return;
    this.trace.fork(task, `${pid}/${this.nextTid}`);
    this.addActor(pid, this.nextTid);
  }

  private fork({ task, pid }: Actor): void {
    const busy = this.actors.some((actor) => actor.pid === pid && actor.pending?.effective === true);
    if (this.actors.length === THREADS_MAX || busy) return;
    const child = this.nextTid;
    const { prot, heapEnd } = this.truthOf(pid);
    this.truths.set(child, { prot: new Map(prot), heapEnd });
    this.trace.fork(task, `${child}/${child}`);
    this.addActor(child, child);
  }

  private begin(actor: Actor, call: Pending['call']): void {
    const { prot, heapEnd } = this.truthOf(actor.pid);
    const claimed = this.claimedIn(actor.pid);
    const fixed = call === 'mmap' && this.pick(2) === 0;
    const start = BASE + this.pick(PAGES);
    const length = 1 + this.pick(8);
    const pages = call === 'mmap' && !fixed ? [] : call === 'brk' ? span(HEAP, 40) : span(start, length);
    if (pages.some((page) => claimed.has(page))) return;
    if (call !== 'mmap' && call !== 'brk' && pages.some((page) => !prot.has(page))) return;
    if (call === 'mremap' && pages.some((page) => prot.get(page) !== prot.get(start))) return;
    const pending: Pending = { call, start, length, prot: this.pick(8), fixed, result: 0, effective: false, claimed: pages };
    actor.pending = pending;
    if (call === 'brk') pending.result = Math.max(HEAP, heapEnd + this.pick(9) - 4);
    this.enter(actor.task, pending);
  }

  private enter(task: string, { call, start, length, prot, fixed, result }: Pending): void {
    const [addr, len] = [start * PAGE, length * PAGE];
    if (call === 'mmap') this.trace.enterMmap(task, { addr: fixed ? addr : 0, len, prot, flags: fixed ? 0x32 : 0x22 });
    else if (call === 'munmap') this.trace.enter(task, call, { addr, len });
    else if (call === 'mprotect') this.trace.enter(task, call, { start: addr, len, prot });
    else if (call === 'madvise') this.trace.enter(task, call, { start: addr, len_in: len, behavior: 4 });
    else if (call === 'mremap') this.trace.enter(task, call, { addr, old_len: len, new_len: len, flags: 1, new_addr: 0 });
    else this.trace.enter(task, call, { brk: result * PAGE });
  }

  private advance(actor: Actor, pending: Pending): void {
    if (!pending.effective) {
      this.takeEffect(actor, pending);
      return;
    }
    const gives = pending.call === 'mmap' || pending.call === 'mremap' || pending.call === 'brk';
    this.trace.leave(actor.task, pending.call, gives ? pending.result * PAGE : 0);
    actor.pending = undefined;
  }

  private takeEffect(actor: Actor, pending: Pending): void {
    const { call, start, length, fixed } = pending;
    const truth = this.truthOf(actor.pid);
    const own = span(start, length);
    pending.effective = true;
    if (call === 'mmap') {
      pending.result = fixed ? start : this.freeRange(actor.pid, length);
      for (const page of span(pending.result, length)) truth.prot.set(page, pending.prot);
      this.report(actor.task, pending.result, length, pending.prot);
    } else if (call === 'munmap') {
      for (const page of own) truth.prot.delete(page);
      pending.claimed = [];
    } else if (call === 'mprotect') {
      for (const page of own) truth.prot.set(page, pending.prot);
      this.report(actor.task, start, length, pending.prot);
    } else if (call === 'mremap') {
      const prot = truth.prot.get(start) as number;
      for (const page of own) truth.prot.delete(page);
      pending.result = this.freeRange(actor.pid, length);
      for (const page of span(pending.result, length)) truth.prot.set(page, prot);
      pending.claimed = span(pending.result, length);
    } else if (call === 'brk') {
      if (pending.result > truth.heapEnd) this.report(actor.task, truth.heapEnd, pending.result - truth.heapEnd, 3);
      truth.heapEnd = pending.result;
    }
  }

  private report(task: string, start: number, length: number, prot: number): void {
    this.trace.area(task, { start: start * PAGE, len: length * PAGE, prot: letters(prot) });
  }

  /** The lowest pages that are free and that no call in progress is about. */
  private freeRange(pid: number, length: number): number {
    const { prot } = this.truthOf(pid);
    const claimed = this.claimedIn(pid);
    let start = BASE;
    while (span(start, length).some((page) => prot.has(page) || claimed.has(page))) start++;
    return start;
  }

  private claimedIn(pid: number): Set<number> {
    return new Set(this.actors.flatMap((actor) => (actor.pid === pid ? (actor.pending?.claimed ?? []) : [])));
  }

  private truthOf(pid: number): Truth {
    return this.truths.get(pid) as Truth;
  }
}

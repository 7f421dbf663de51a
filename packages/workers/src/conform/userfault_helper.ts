/**
 * The second thread of a script: a CPU that answers userfaultfd events. It runs when the script's CPU would sleep, on the same thread, and its events
 * are put among those of the script's CPU in the order in which they happened.
 * Next: operations/userfault.ts
 */
import type { CpuId, UffdId } from '@faultlab/core/base/brand';
import { EAGAIN } from '@faultlab/core/base/errno';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { UFFD_EVENT_PAGEFAULT, UFFD_PAGEFAULT_FLAG_WP, type UserfaultMessage } from '@faultlab/core/mm/userfaultfd_wait';
import { userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  userfaultfd_copy,
  userfaultfd_wake,
  userfaultfd_writeprotect,
  userfaultfd_zeropage,
} from '@faultlab/core/syscalls/userfaultfd_ioctl';
import { userfaultfd_ctx_read } from '@faultlab/core/syscalls/userfaultfd_read';
import { readTraceRange, type TraceEntry } from '@faultlab/core/trace/trace_ring';

/** How missing pages are answered. */
export type UffdAnswer = 'copy' | 'zero';

const HELPER: CpuId = 1 as CpuId;
/** What the pages that it copies hold. */
const COPIED = 251;

/** The helper ran when the script's CPU had traced so many events, and traced these itself: the numbers from .. to - 1. */
interface Turn {
  readonly after: number;
  readonly from: number;
  readonly to: number;
}

export class UserfaultHelper {
  readonly #script: Cpu;
  readonly #cpu: Cpu;
  readonly #contexts = new Map<UffdId, UffdAnswer>();
  #turns: Turn[] = [];

  /** @param script the CPU that runs the script */
  constructor(script: Cpu) {
    const { memory, policy, now } = script;
    this.#script = script;
    this.#cpu = createCpu({ id: HELPER, memory, now, policy, verify: true, trace: true });
  }

  /** From now on it answers the events of the context. */
  serve(ctx: UffdId, answer: UffdAnswer): void {
    this.#contexts.set(ctx, answer);
  }

  /** Answers one event. @returns false when there is none */
  step(): boolean {
    const after = this.#script.traceNext;
    const from = this.#cpu.traceNext;
    cpuOnline(this.#cpu);
    const answered = [...this.#contexts].some(([ctx, answer]) => this.#answerOne(ctx, answer));
    cpuOffline(this.#cpu);
    if (this.#cpu.traceNext > from) this.#turns.push({ after, from, to: this.#cpu.traceNext });
    return answered;
  }

  #answerOne(ctx: UffdId, answer: UffdAnswer): boolean {
    const message = userfaultfd_ctx_read(this.#cpu, ctx, 0);
    if (typeof message === 'number') return false;
    if (message.event === UFFD_EVENT_PAGEFAULT) this.#resolve(ctx, answer, message);
    return true;
  }

  #resolve(ctx: UffdId, answer: UffdAnswer, { vpn, flags }: UserfaultMessage): void {
    const cpu = this.#cpu;
    let result: number;
    if ((flags & UFFD_PAGEFAULT_FLAG_WP) !== 0) result = userfaultfd_writeprotect(cpu, ctx, vpn, 1, false);
    else result = answer === 'zero' ? userfaultfd_zeropage(cpu, ctx, vpn, 1) : userfaultfd_copy(cpu, ctx, vpn, 1, COPIED);
    // Somebody else was faster, or the area is gone: the fault finds out for itself.
    if (result < 0 && result !== EAGAIN) userfaultfd_wake(cpu, ctx, vpn, 1);
  }

  /** Begins a new list of turns. */
  forget(): void {
    this.#turns = [];
  }

  /** The events of the script's CPU with the helper's among them. @returns each with a mark for whose it is */
  merge(events: readonly TraceEntry[]): { readonly entry: TraceEntry; readonly helper: boolean }[] {
    const merged: { readonly entry: TraceEntry; readonly helper: boolean }[] = [];
    const turns = [...this.#turns];
    const takeTurns = (until: number): void => {
      for (let turn = turns[0]; turn !== undefined && turn.after < until; turn = turns[0]) {
        const { from, to } = turn;
        for (const entry of readTraceRange(this.#cpu.memory, HELPER, from, to)) merged.push({ entry, helper: true });
        turns.shift();
      }
    };
    for (const entry of events) {
      takeTurns(entry.sequence);
      merged.push({ entry, helper: false });
    }
    takeTurns(Number.POSITIVE_INFINITY);
    return merged;
  }

  /** Closes every context. @param cpu who does it */
  close(cpu: Cpu): void {
    for (const ctx of this.#contexts.keys()) userfaultfd_release(cpu, ctx);
    this.#contexts.clear();
  }
}

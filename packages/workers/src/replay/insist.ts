/**
 * What a program does that looks at its results: an operation that an injection has ended is done again, until it ends as in the trace. So
 * a replay under injection has to agree like any other; what cannot be made good by trying again is a difference.
 * Next: replay_cpu.ts
 */
import type { Cpu } from '@faultlab/core/cpu';
import { MREMAP_DONTUNMAP } from '@faultlab/core/mm/mman';
import { takeSignals } from '@faultlab/core/sched/task';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { INJECTED_ALLOC_FAIL, INJECTED_SIGNAL } from '@faultlab/core/trace/counters';
import type { InjectedTroubles } from '../program/outcome.ts';
import type { CallStep } from './replay_program.ts';

const TRIES_MAX = 200;

export class Insistence {
  readonly #cpu: Cpu;
  readonly #troubles: InjectedTroubles;
  /** Operations that were done again, counted each time. */
  repeated = 0;

  constructor(cpu: Cpu, troubles: InjectedTroubles) {
    this.#cpu = cpu;
    this.#troubles = troubles;
  }

  /** @returns how it ended the last time */
  until(expected: number, act: () => number): number {
    for (let tries = 1; ; tries++) {
      const before = this.#hits();
      const got = act();
      if (this.#troubles.injectedSignals) takeSignals(this.#cpu);
      const hit = this.#troubles.ioErrors || this.#hits() !== before;
      if (got === expected || !hit || tries === TRIES_MAX) return got;
      this.repeated++;
    }
  }

  /** A move counts also when there was no memory to split the old area, which stays then, empty: nobody is told. */
  afterMove(step: CallStep): void {
    if (step.call !== 'mremap' || !this.#troubles.allocFailures || step.expected < 0) return;
    if (step.newAt === step.at || step.expected === step.at || (step.flags & MREMAP_DONTUNMAP) !== 0) return;
    this.until(0, () => sys_munmap(this.#cpu, step.at, step.pages));
  }

  /** What this CPU has met so far. */
  #hits(): number {
    const { words, percpu } = this.#cpu;
    return (words[percpu + INJECTED_ALLOC_FAIL] as number) + (words[percpu + INJECTED_SIGNAL] as number);
  }
}

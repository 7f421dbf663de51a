/**
 * Injected trouble: what a CPU asks where memory may run out, where it sleeps, where swap may be full, and at every named point.
 * It decides from the seed and the CPU alone, so that the same CPU meets the same draws again; every hit is counted.
 *
 *   alloc_fail      any allocation may say that there is nothing left
 *   signal          any sleep, of whatever kind, may find a signal that arrived just now
 *   spurious_wake   any sleep, of whatever kind, may end without a cause
 *   full_swap       a swap area may say that it is full
 *   delay, pause    any named point may take longer, for microseconds or for milliseconds, whatever the CPU holds there
 *   kill            a CPU stops for ever at a named point, with what it holds
 *
 * A CPU without injections has none of this: `cpu.inject` is null, and where it is asked is off the lock-free paths. What devices do wrong
 * is in io/error_injection.ts: they have no Injector.
 * @kernel lib/fault-inject.c should_fail(), mm/failslab.c, mm/fail_page_alloc.c
 * @fidelity reduced: a share of all times only; no intervals, no budgets, no filters by task or by stack
 * Next: memory/park.ts naps, trace/points.ts has the points
 */
import type { Word } from '../base/brand.ts';
import { Prng } from '../base/prng.ts';
import { atomic_fetch_or } from '../memory/atomic.ts';
import { H_INJECT } from '../memory/header.ts';
import { nap, type Parker, type SleepTrouble } from '../memory/park.ts';
import { PC_SIGPENDING, WAIT_PAUSED, WAIT_STOPPED } from '../memory/percpu.ts';
import {
  type Counting,
  count_vm_event,
  INJECTED_ALLOC_FAIL,
  INJECTED_DELAY,
  INJECTED_FULL_SWAP,
  INJECTED_KILL_CPU,
  INJECTED_PAUSE_CPU,
  INJECTED_SIGNAL,
  INJECTED_SPURIOUS_WAKE,
} from './counters.ts';
import type { PointObserver } from './points.ts';

/** What is allocated: a frame, a page's place within the limit of its memory cgroup, a slot of a swap area, a slot of a pool (allocFromPool()). */
export const ALLOC_FRAME = 1;
export const ALLOC_CHARGE = 2;
export const ALLOC_SWAP_SLOT = 4;
export const ALLOC_ANY = -1;
const POOL_SHIFT = 3;

/** A slot of the pool with that number (slab/caches.ts). */
export const allocFromPool = (pool: number): number => 1 << (POOL_SHIFT + pool);

/** Every point, in place of the number of one. */
export const EVERY_POINT = -1;

/** What one CPU is to meet: plain data. Rates are shares of all times, from 0 to 1. */
export interface InjectionPlan {
  readonly seed: number;
  /** Only while H_INJECT says so: for a thread that lives longer than the run. */
  readonly whileArmed?: boolean;
  /** `of`: bits of what is allocated. `only`: nothing but the allocation of these that is the so manieth, from 1; `rate` does not count then. */
  readonly allocFail?: { readonly rate: number; readonly of: number; readonly only?: number };
  /** `fatal`: the share of the signals that is SIGKILL. */
  readonly signal?: { readonly rate: number; readonly fatal: number };
  readonly spuriousWake?: { readonly rate: number };
  readonly fullSwap?: { readonly rate: number };
  /** At a point of trace/points.ts or EVERY_POINT: between nothing and so many microseconds. */
  readonly delays?: readonly { readonly point: number; readonly rate: number; readonly us: number }[];
  readonly pause?: { readonly rate: number; readonly ms: number };
  /** At the first point (`point`, or EVERY_POINT) after so many points at which the CPU holds a lock. */
  readonly kill?: { readonly point: number; readonly after: number };
}

/** What an Injector needs of its CPU. */
export interface Injected extends Parker, Counting {
  /** Locks held. */
  readonly held: number;
  /** What a CPU does that stops for ever, where that is not to sleep until the machine is frozen. */
  readonly stopped: (() => never) | null;
}

/** Keeps the draws of injections apart from all others of the seed. */
const STREAM = 0x2000;
const TWO_32 = 2 ** 32;
const SIGKILL_BIT = 1 << 8;
const SIGUSR1_BIT = 1 << 9;
const US_PER_MS = 1000;
/** How long a sleeper that will be woken without a cause sleeps before, at the most. */
const SPURIOUS_MS = 0.2;

export class Injector implements PointObserver, SleepTrouble {
  readonly #cpu: Injected;
  readonly #plan: InjectionPlan;
  readonly #prng: Prng;
  #points = 0;
  #allocations = 0;

  constructor(cpu: Injected, plan: InjectionPlan) {
    this.#cpu = cpu;
    this.#plan = plan;
    this.#prng = new Prng(plan.seed, STREAM + cpu.id);
  }

  /** Does anything happen at named points? If not, nobody needs to observe them. */
  get atPoints(): boolean {
    const { delays = [], pause, kill } = this.#plan;
    return delays.length > 0 || pause !== undefined || kill !== undefined;
  }

  /** Is this allocation to fail? @param what the bit of what is allocated */
  failsAllocation(what: number): boolean {
    const { allocFail } = this.#plan;
    if (allocFail === undefined || (allocFail.of & what) === 0 || this.#isDisarmed) return false;
    this.#allocations++;
    if (allocFail.only === undefined ? !this.#hits(allocFail.rate) : this.#allocations !== allocFail.only) return false;
    count_vm_event(this.#cpu, INJECTED_ALLOC_FAIL);
    return true;
  }

  /** Is there to be no free slot for a page that wants to go to swap? */
  swapIsFull(): boolean {
    const { fullSwap } = this.#plan;
    if (fullSwap === undefined || this.#isDisarmed || !this.#hits(fullSwap.rate)) return false;
    count_vm_event(this.#cpu, INJECTED_FULL_SWAP);
    return true;
  }

  /** Of the signal the sleeper knows nothing unless it looks for one. See SleepTrouble. */
  atSleep(): number {
    if (this.#isDisarmed) return Number.POSITIVE_INFINITY;
    this.#signal();
    const { spuriousWake } = this.#plan;
    if (spuriousWake === undefined || !this.#hits(spuriousWake.rate)) return Number.POSITIVE_INFINITY;
    count_vm_event(this.#cpu, INJECTED_SPURIOUS_WAKE);
    return this.#unit() * SPURIOUS_MS;
  }

  #signal(): void {
    const { signal } = this.#plan;
    if (signal === undefined || !this.#hits(signal.rate)) return;
    const bit = this.#hits(signal.fatal) ? SIGKILL_BIT : SIGUSR1_BIT;
    atomic_fetch_or(this.#cpu, (this.#cpu.percpu + PC_SIGPENDING) as Word, bit); // Pairs with: signal_pending_state().
    count_vm_event(this.#cpu, INJECTED_SIGNAL);
  }

  at(point: number): void {
    if (this.#isDisarmed) return;
    const { delays = [], pause, kill } = this.#plan;
    this.#points++;
    if (kill !== undefined && this.#points > kill.after && isAt(kill.point, point) && this.#cpu.held > 0) this.#stop();
    for (const delay of delays) {
      if (!isAt(delay.point, point) || !this.#hits(delay.rate)) continue;
      count_vm_event(this.#cpu, INJECTED_DELAY);
      nap(this.#cpu, WAIT_PAUSED, (this.#unit() * delay.us) / US_PER_MS);
    }
    if (pause === undefined || !this.#hits(pause.rate)) return;
    count_vm_event(this.#cpu, INJECTED_PAUSE_CPU);
    nap(this.#cpu, WAIT_PAUSED, pause.ms);
  }

  get #isDisarmed(): boolean {
    return this.#plan.whileArmed === true && (this.#cpu.words[H_INJECT] as number) === 0;
  }

  #stop(): never {
    count_vm_event(this.#cpu, INJECTED_KILL_CPU);
    if (this.#cpu.stopped !== null) this.#cpu.stopped();
    for (;;) nap(this.#cpu, WAIT_STOPPED, Number.POSITIVE_INFINITY);
  }

  #unit(): number {
    return this.#prng.next() / TWO_32;
  }

  #hits(rate: number): boolean {
    return this.#unit() < rate;
  }
}

const isAt = (wanted: number, point: number): boolean => wanted === EVERY_POINT || wanted === point;

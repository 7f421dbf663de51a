/**
 * The sums of a stress run over its slices. Their size depends on the machine and the scenarios, not on how long the run takes.
 * Next: run_stress.ts adds to them, report/stress_report.ts prints them, soak/soak_totals.ts keeps them in a file.
 */
import { type LockOrderEdge, mergeLockOrders } from '@faultlab/core/locking/lock_order_graph';
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import { COUNTER_NAMES, type CounterName } from '@faultlab/core/trace/counters';
import { addCounters, addLockStats, type Counters } from '../deltas.ts';
import { LatencyTotals } from '../latency_totals.ts';
import { type OutcomeCount, sumOutcomes } from '../program/outcome_counts.ts';
import { type Fairness, fairnessOf } from '../run_result.ts';
import type { ScenarioResult } from '../run_scenario.ts';

/** One scenario's part, over all its slices. */
export interface ScenarioTotal {
  readonly name: string;
  slices: number;
  wallMs: number;
  ops: number;
  faults: number;
  /** Events that its story needs and that have not been seen yet. */
  unseen: readonly CounterName[];
}

export class StressTotals {
  readonly latency: LatencyTotals = new LatencyTotals();
  readonly scenarios: ScenarioTotal[] = [];
  counters: Counters = Object.fromEntries(COUNTER_NAMES.map((name) => [name, 0])) as unknown as Counters;
  /** Pages by state at the end of the last slice. */
  states: ScenarioResult['states'] | undefined;
  outcomes: readonly OutcomeCount[] = [];
  /** Laying out and tearing down included. */
  locks: readonly LockStatRow[] = [];
  /** Of this process alone: a file of sums does not keep it. */
  lockOrder: readonly LockOrderEdge[] = [];
  wallMs = 0;
  cpuMs: number | undefined = 0;
  readonly #opsByCpu: number[];

  constructor(cpus: number) {
    this.#opsByCpu = Array.from({ length: cpus }, () => 0);
  }

  add(result: ScenarioResult): void {
    this.counters = addCounters(this.counters, result.counters);
    this.states = result.states;
    this.outcomes = sumOutcomes([this.outcomes, result.outcomes]);
    this.locks = addLockStats(this.locks, result.locks);
    this.lockOrder = mergeLockOrders(this.lockOrder, result.lockOrder);
    this.wallMs += result.wallMs;
    this.cpuMs = this.cpuMs === undefined || result.cpuMs === undefined ? undefined : this.cpuMs + result.cpuMs;
    result.opsByCpu.forEach((ops, cpu) => {
      this.#opsByCpu[cpu] = (this.#opsByCpu[cpu] ?? 0) + ops;
    });
    this.#addScenario(result);
  }

  get fairness(): Fairness {
    return fairnessOf(this.#opsByCpu);
  }

  get opsByCpu(): readonly number[] {
    return this.#opsByCpu;
  }

  /** Goes on from sums that an earlier process kept. @param earlier its operations, one number for each CPU */
  restoreOps(earlier: readonly number[]): void {
    earlier.forEach((ops, cpu) => {
      this.#opsByCpu[cpu] = ops;
    });
  }

  #addScenario(result: ScenarioResult): void {
    let total = this.scenarios.find((candidate) => candidate.name === result.scenario);
    if (total === undefined) {
      total = { name: result.scenario, slices: 0, wallMs: 0, ops: 0, faults: 0, unseen: result.unseen };
      this.scenarios.push(total);
    }
    total.slices++;
    total.wallMs += result.wallMs;
    total.ops += result.ops;
    total.faults += faultsOf(result.counters);
    total.unseen = total.unseen.filter((name) => result.unseen.includes(name));
  }
}

/** Page faults of all kinds that entered the handler. */
export const faultsOf = (counters: Counters): number => counters.faults_user + counters.faults_kernel + counters.faults_gup;

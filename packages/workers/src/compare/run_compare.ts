/**
 * Scenarios, or a recorded program, under several policies: runs in turn (A B C, A B C, ...), so that what the host does meanwhile meets all of
 * them, each on a fresh machine. The same run of each policy has the same seed.
 * Next: sample.ts, metrics.ts; summary.ts for what becomes of the runs
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { type Environment, othersWatch } from '../environment.ts';
import { LatencyTotals } from '../latency_totals.ts';
import { bootMachine } from '../machine.ts';
import type { Timeline as TraceTimeline } from '../perf_script/timeline.ts';
import type { ReplayResult } from '../replay/replay_result.ts';
import { replayTimeline } from '../replay/replay_trace.ts';
import { runScenarioOn, type ScenarioResult } from '../run_scenario.ts';
import type { Scenario } from '../scenario.ts';
import { machineFor } from '../scenario_machine.ts';
import type { RunRecord, ScenarioRecord, Timeline } from './comparison_file.ts';
import { type Measured, measure } from './measured.ts';
import { recordOf, trustOf } from './run_record.ts';
import { type Sample, sampleOfReplay, sampleOfRun } from './sample.ts';

/** A recorded program, which is replayed with nothing of its files in memory. */
export interface ReplayedTrace {
  readonly file: string;
  readonly timeline: TraceTimeline;
  /** How long a request of the device of its files takes. */
  readonly io: string;
}

export interface CompareOptions {
  /** Scenarios; none for a trace. */
  readonly scenarios: readonly Scenario[];
  readonly trace?: ReplayedTrace;
  /** The first is the baseline. */
  readonly policies: readonly FaultPolicy[];
  /** Of each policy in each scenario. */
  readonly runs: number;
  /** Of each run of a scenario. */
  readonly seconds: number;
  readonly cpus: number;
  readonly seed: number;
  /** Keep the last events of each CPU of one run, for a picture. */
  readonly timeline?: boolean;
  readonly signal?: AbortSignal;
  /** Called before each run. */
  readonly onRun?: (policy: string, run: number, scenario: string) => void;
}

export interface PolicyRuns {
  readonly policy: string;
  readonly runs: readonly Measured[];
}

/** What retries and devices did, scenario by scenario. */
export interface ScenarioMeasured {
  readonly scenario: string;
  /** In the order of the policies; those that ran at least once. */
  readonly policies: readonly PolicyRuns[];
}

/** The run that went wrong and ended the comparison. */
export type FailedRun =
  | { readonly scenario: Scenario; readonly result: ScenarioResult; readonly seed: number }
  | { readonly scenario: undefined; readonly result: ReplayResult; readonly seed: number };

export interface Comparison {
  readonly scenarios: readonly ScenarioRecord[];
  readonly measured: readonly ScenarioMeasured[];
  readonly timeline: Timeline | undefined;
  readonly failed: FailedRun | undefined;
  readonly interrupted: boolean;
  /** Cores of the host that other programs had, on average. */
  readonly othersCores: number;
  /** Of the machines: as asked for, or as many as the trace has threads at a time. */
  readonly cpus: number;
  /** Runs that were not everywhere as recorded; only of a trace. */
  readonly differing: number;
}

/** The last events of each CPU that are kept for a picture. */
const TIMELINE_EVENTS = 200;

/** @throws UsageError for a bad option */
export async function runCompare(options: CompareOptions): Promise<Comparison> {
  return await new CompareInProgress(options).finish();
}

class CompareInProgress {
  readonly #options: CompareOptions;
  readonly #others: () => number = othersWatch();
  readonly #scenarios: ScenarioRecord[] = [];
  readonly #measured: ScenarioMeasured[] = [];
  #timeline: Timeline | undefined;
  #failed: FailedRun | undefined;
  #differing = 0;
  #cpus: number;

  constructor(options: CompareOptions) {
    this.#options = options;
    this.#cpus = options.cpus;
  }

  async finish(): Promise<Comparison> {
    const { scenarios, trace } = this.#options;
    if (trace !== undefined) await this.#inTurn(trace.file, (policy, run) => this.#replay(trace, policy, run));
    for (const scenario of scenarios) {
      if (this.#isOver()) break;
      await this.#inTurn(scenario.name, (policy, run) => this.#runScenario(scenario, policy, run));
    }
    return {
      scenarios: this.#scenarios,
      measured: this.#measured,
      timeline: this.#timeline,
      failed: this.#failed,
      interrupted: this.#isAborted(),
      othersCores: this.#others(),
      cpus: this.#cpus,
      differing: this.#differing,
    };
  }

  #isAborted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #isOver(): boolean {
    return this.#failed !== undefined || this.#isAborted();
  }

  /** All runs of one scenario. A run that was cut short is not kept. */
  async #inTurn(name: string, runOne: (policy: FaultPolicy, run: number) => Promise<OneRun | undefined>): Promise<void> {
    const { policies, runs, onRun } = this.#options;
    const records = policies.map(({ name: policy }) => ({ policy, runs: [] as RunRecord[] }));
    const measured = policies.map(({ name: policy }) => ({ policy, runs: [] as Measured[] }));
    for (let run = 0; run < runs; run++) {
      for (const [place, policy] of policies.entries()) {
        if (this.#isOver()) break;
        onRun?.(policy.name, run, name);
        const others = othersWatch();
        const one = await runOne(policy, run);
        if (one === undefined || this.#isAborted()) continue;
        const trust = trustOf(others(), one.environment);
        const head = { policy: policy.name, run, seed: this.#seedOf(run) };
        records[place]?.runs.push(recordOf(head, one.sample, trust));
        if (one.measured !== undefined) measured[place]?.runs.push(one.measured);
      }
    }
    this.#scenarios.push({ scenario: name, policies: records.filter((each) => each.runs.length > 0) });
    this.#measured.push({ scenario: name, policies: measured.filter((each) => each.runs.length > 0) });
  }

  #seedOf(run: number): number {
    return (this.#options.seed + run) >>> 0;
  }

  async #runScenario(scenario: Scenario, policy: FaultPolicy, run: number): Promise<OneRun | undefined> {
    const { seconds, cpus, signal } = this.#options;
    const seed = this.#seedOf(run);
    const latency = new LatencyTotals();
    const keepTrace = this.#wantsTimeline(policy);
    await using machine = await bootMachine({ policy, cpus, seed, ...machineFor([scenario]) });
    const result = await runScenarioOn(machine, scenario, { seconds, latency, keepTrace, ...(signal === undefined ? {} : { signal }) });
    if (result.verdict !== 'success') {
      this.#failed = { scenario, result, seed };
      return undefined;
    }
    if (keepTrace) {
      const last = result.trace.map((events) => events.slice(-TIMELINE_EVENTS));
      this.#timeline = { scenario: scenario.name, policy: policy.name, run, cpus: last };
    }
    return { sample: sampleOfRun(result, machine, latency), measured: measure(result, machine), environment: result.environment };
  }

  /** One run is enough: of the last policy, which is most often the proposal. */
  #wantsTimeline(policy: FaultPolicy): boolean {
    return this.#options.timeline === true && this.#timeline === undefined && policy.name === this.#options.policies.at(-1)?.name;
  }

  async #replay({ file, timeline, io }: ReplayedTrace, policy: FaultPolicy, run: number): Promise<OneRun | undefined> {
    const { signal } = this.#options;
    const seed = this.#seedOf(run);
    let sample: Sample | undefined;
    const result = await replayTimeline(timeline, {
      name: file,
      policy,
      cold: true,
      io,
      seed,
      show: 0,
      inspect: (machine, latency) => {
        sample = sampleOfReplay(machine, latency);
      },
      ...(signal === undefined ? {} : { signal }),
    });
    if (result.verdict === 'differs') this.#differing++;
    else if (result.verdict !== 'agrees') {
      if (result.verdict !== 'interrupted') this.#failed = { scenario: undefined, result, seed };
      return undefined;
    }
    if (sample === undefined) return undefined;
    this.#cpus = result.cpus;
    const { counters, locks, wallMs, cpuMs, ops, faults, environment } = result;
    const whole = { seconds: wallMs / 1000, cpuSeconds: cpuMs === undefined ? null : cpuMs / 1000, ops: ops.done, uses: faults.replayed };
    return { sample: { ...sample, ...whole, counters, locks }, measured: undefined, environment };
  }
}

interface OneRun {
  readonly sample: Sample;
  /** Retries and devices; a replay says nothing of these. */
  readonly measured: Measured | undefined;
  readonly environment: Environment;
}

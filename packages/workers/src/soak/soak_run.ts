/**
 * A stress run of hours: the same slices, but what they add up to is kept in a file all the while, so that a killed run loses a minute and
 * goes on where it stopped.
 * Next: soak_file.ts for what is kept, ../stress/run_stress.ts for the run itself
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { Environment } from '../environment.ts';
import type { Machine } from '../machine.ts';
import type { ScenarioResult } from '../run_scenario.ts';
import { LEFT_SECONDS_MIN, runStress, type StressOptions, type StressOutcome, type StressSoFar } from '../stress/run_stress.ts';
import { StressTotals } from '../stress/stress_totals.ts';
import { MemoryLog, type MemoryRecord } from './memory_log.ts';
import {
  REPORT_LINES_MAX,
  SOAK_SCHEMA,
  type SoakFailure,
  type SoakFile,
  type SoakParameters,
  type SoakState,
  TEXT_MAX,
} from './soak_file.ts';
import { type LinePoint, minuteLine, pointOf } from './soak_report.ts';
import { keptTotals, restoredTotals } from './soak_totals.ts';

export interface SoakOptions extends Omit<StressOptions, 'from' | 'onSlice' | 'onSliceEnd' | 'policy'> {
  readonly parameters: SoakParameters;
  /** What an earlier process kept; the run goes on there. */
  readonly earlier: SoakFile | undefined;
  readonly environment: Environment;
  /** At most so long between two writes of the file, while slices end. */
  readonly checkpointMs: number;
  /** Replaces the file. @throws UsageError when it cannot */
  readonly write: (file: SoakFile) => Promise<void>;
  /** A line a minute, and one for a write that failed. */
  readonly line: (text: string) => void;
  /** Lines about a slice that went wrong. */
  readonly failureLines: (failed: ScenarioResult) => readonly string[];
}

export interface SoakOutcome {
  readonly outcome: StressOutcome;
  readonly memory: MemoryRecord;
  /** Why the end of the run is not in the file, if it is not. */
  readonly unwritten: UsageError | undefined;
}

const MINUTE_MS = 60_000;
/** So much garbage may be in what a line says of the memory. */
const COLLECT_MS = 15_000;

/** @throws UsageError for a bad option, or when the file cannot be written at the beginning */
export async function runSoak(options: SoakOptions): Promise<SoakOutcome> {
  return await new Soak(options).finish();
}

class Soak {
  readonly #options: SoakOptions;
  readonly #memory: MemoryLog;
  readonly #startedAt: string;
  readonly #sessions: number;
  #soFar: StressSoFar;
  #writtenMs = 0;
  #collectedMs = 0;
  #sliceEndedMs: number = performance.now();
  #scenario = 'booting';
  #atLastLine: LinePoint;

  constructor(options: SoakOptions) {
    const { earlier, parameters } = options;
    this.#options = options;
    this.#sessions = (earlier?.sessions ?? 0) + 1;
    this.#memory = new MemoryLog(this.#sessions, earlier?.memory);
    this.#startedAt = earlier?.startedAt ?? now();
    this.#soFar =
      earlier === undefined
        ? { totals: new StressTotals(parameters.cpus), slices: 0, elapsedMs: 0 }
        : { totals: restoredTotals(earlier.totals), slices: earlier.slices, elapsedMs: earlier.elapsedMs };
    this.#atLastLine = pointOf(this.#soFar);
  }

  async finish(): Promise<SoakOutcome> {
    const minutes = setInterval(() => this.#minute(), MINUTE_MS);
    let outcome: StressOutcome;
    try {
      outcome = await runStress({
        ...this.#options,
        policy: this.#options.parameters.policyRecord,
        from: this.#soFar,
        onSlice: ({ scenario, machine }) => this.#sliceBegins(scenario, machine),
        onSliceEnd: (_, soFar) => this.#sliceEnd(soFar),
      });
    } finally {
      clearInterval(minutes);
    }
    this.#soFar = outcome;
    const unwritten = await this.#tryWrite(this.#stateOf(outcome), this.#failureOf(outcome));
    return { outcome, memory: this.#memory.record, unwritten };
  }

  /** The first time, before hours of work and not after them: can the file be written? */
  async #sliceBegins(scenario: string, machine: Machine): Promise<void> {
    this.#scenario = scenario;
    if (performance.now() - this.#collectedMs >= COLLECT_MS) {
      await machine.collectGarbage();
      this.#collectedMs = performance.now();
    }
    if (this.#writtenMs !== 0) return;
    await this.#write('running', null);
    this.#sliceEndedMs = performance.now();
  }

  /** Writes when the end of the next slice might be too late. A file that cannot be written now may be later: the run goes on. */
  async #sliceEnd(soFar: StressSoFar): Promise<void> {
    const endedMs = performance.now();
    const sliceMs = endedMs - this.#sliceEndedMs;
    this.#sliceEndedMs = endedMs;
    this.#soFar = soFar;
    // Here and not at the very end, when the machine's memory has been given back and everything would look small.
    this.#memory.look(process.memoryUsage.rss());
    if (endedMs - this.#writtenMs + sliceMs < this.#options.checkpointMs) return;
    const unwritten = await this.#tryWrite('running', null);
    this.#writtenMs = this.#sliceEndedMs = performance.now();
    if (unwritten !== undefined) this.#options.line(`stress: ${unwritten.message} The run goes on, and tries again.`);
  }

  async #tryWrite(state: SoakState, failed: SoakFailure | null): Promise<UsageError | undefined> {
    try {
      await this.#write(state, failed);
    } catch (error) {
      if (error instanceof UsageError) return error;
      throw error;
    }
    return undefined;
  }

  async #write(state: SoakState, failed: SoakFailure | null): Promise<void> {
    const { parameters, environment, write } = this.#options;
    const { totals, slices, elapsedMs } = this.#soFar;
    await write({
      schema: SOAK_SCHEMA,
      kind: 'soak',
      state,
      startedAt: this.#startedAt,
      writtenAt: now(),
      parameters,
      environment,
      sessions: this.#sessions,
      elapsedMs,
      slices,
      totals: keptTotals(totals),
      memory: this.#memory.record,
      failed,
    });
    this.#writtenMs = performance.now();
  }

  #minute(): void {
    const rssBytes = process.memoryUsage.rss();
    this.#memory.minute(this.#soFar.elapsedMs, rssBytes);
    const { line, parameters } = this.#options;
    line(minuteLine(parameters.seconds, this.#soFar, { scenario: this.#scenario, rssBytes, since: this.#atLastLine }));
    this.#atLastLine = pointOf(this.#soFar);
  }

  #stateOf({ failed, elapsedMs, interrupted }: StressOutcome): SoakState {
    if (failed !== undefined) return 'failed';
    const left = this.#options.parameters.seconds - elapsedMs / 1000;
    return interrupted && left > LEFT_SECONDS_MIN ? 'interrupted' : 'finished';
  }

  #failureOf({ failed }: StressOutcome): SoakFailure | null {
    if (failed === undefined || failed.verdict === 'success') return null;
    const { scenario, seed, verdict } = failed;
    const report = this.#options.failureLines(failed).slice(0, REPORT_LINES_MAX);
    return { scenario, seed, verdict, report: report.map((line) => line.slice(0, TEXT_MAX)) };
  }
}

const now = (): string => new Date().toISOString();

/**
 * Runs programs on a machine: lay out an address space, let all CPUs go, bring the machine to rest, look for broken invariants, tear the
 * address space down, and look whether anything is left.
 * Next: run_in_progress.ts for the run itself, program/program_work.ts for what a CPU does in it.
 */

import type { CpuId, SwapId } from '@faultlab/core/base/brand';
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { type HandedOut, handedOut, leaks } from '@faultlab/core/invariants/handed_out';
import type { Violation } from '@faultlab/core/invariants/sweep';
import { readLockOrder } from '@faultlab/core/locking/lock_order_graph';
import { readLockStat } from '@faultlab/core/locking/lock_stat';
import type { FileSpec } from '@faultlab/core/mm/address_space';
import { type MemcgLimits, setMemcg } from '@faultlab/core/mm/memcg';
import { swapoffEmpty } from '@faultlab/core/mm/swapfile';
import { SYSCTL_MEMCG, setSysctl, type VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import { readVmstatStates } from '@faultlab/core/mm/vmstat_state';
import { readCounters } from '@faultlab/core/trace/counters';
import { readTrace, type TraceEntry } from '@faultlab/core/trace/trace_ring';
import { counterDelta, lockStatDelta } from './deltas.ts';
import { environment } from './environment.ts';
import { checkInject, injectIntoBackground, mendBackground, planFor, troublesBy } from './inject/apply.ts';
import type { Injection } from './inject/injections.ts';
import { LatencyTotals } from './latency_totals.ts';
import type { Machine } from './machine.ts';
import { machineState } from './machine_state.ts';
import type { DissolveOrder } from './program/dissolve_work.ts';
import type { Op } from './program/op.ts';
import { describeLoggedOp, readOpLog } from './program/op_log.ts';
import { sumOutcomes } from './program/outcome_counts.ts';
import type { Program } from './program/program.ts';
import type { ProgramOrder, ProgramResult } from './program/program_work.ts';
import type { SetUp, SetupOrder } from './program/setup_work.ts';
import type { FinishedRun } from './run_in_progress.ts';
import type { PostMortem, RunResult, RunViolation } from './run_result.ts';
import { inSource } from './source_lines.ts';
import { type SwapOptions, switchOn } from './swap_options.ts';
import type { CpuReport } from './work.ts';

export interface ProgramsRun {
  /** Lays out the address space, on one CPU, before the others start. */
  readonly setup: readonly Op[];
  /** What CPU `cpu` does. */
  readonly program: (cpu: number) => Program;
  /** Made before and closed after the run; operations and programs name them by their place in the list. */
  readonly files?: readonly FileSpec[];
  /** Areas to swap out to, besides those of the machine: on before and off after the run. */
  readonly swaps?: readonly SwapOptions[];
  /** Settings for this run; the others are those of the machine's options. */
  readonly sysctl?: Partial<VmSysctl>;
  /** Limits of memory cgroups for this run, numbered from 2. */
  readonly memcgs?: readonly MemcgLimits[];
  /** Until when; without it, every program needs a `count`. */
  readonly seconds?: number;
  readonly seed?: number;
  /** What goes wrong while the programs run; not while the run is laid out, checked or cleared away. */
  readonly inject?: readonly Injection[];
  /** Ends the run early, cleanly. */
  readonly signal?: AbortSignal;
  /** Give the last events of each CPU back also when all went well. */
  readonly keepTrace?: boolean;
  /** Totals to add the latencies to, besides those of the result. */
  readonly latency?: LatencyTotals;
}

const SETUP = new URL('./program/setup_work.js', import.meta.url);
const PROGRAM = new URL('./program/program_work.js', import.meta.url);
const SWEEP = new URL('./program/sweep_work.js', import.meta.url);
const DISSOLVE = new URL('./program/dissolve_work.js', import.meta.url);
const OPS_SHOWN = 12;

/**
 * @returns the result, also when the run went wrong: see `verdict`. The machine is usable again only after a success.
 * @throws UsageError when the programs or the layout do not fit the machine
 */
export async function runPrograms(machine: Machine, run: ProgramsRun): Promise<RunResult> {
  const { inject = [] } = run;
  checkInject(inject, machine.config.cpus, machine.config.background);
  const programs = Array.from({ length: machine.config.cpus }, (_, cpu) => withInjections(run.program(cpu), inject));
  if (run.seconds === undefined && programs.some((program) => program.count === undefined && program.helper !== true)) {
    throw new UsageError('A run without seconds needs programs with a count, or it would never end; give one of them.');
  }
  return new ProgramsInProgress(machine, run, programs).finish();
}

/** What a program has to be ready for. */
function withInjections(program: Program, inject: readonly Injection[]): Program {
  if (inject.length === 0) return program;
  const troubles = troublesBy(inject);
  return { ...program, ...troubles, ...(troubles.injectedSignals ? { signals: true } : {}) };
}

class ProgramsInProgress {
  readonly #machine: Machine;
  readonly #run: ProgramsRun;
  readonly #programs: readonly Program[];
  readonly #before: { readonly counters: RunResult['counters']; readonly locks: RunResult['locks'] };
  readonly #latency = new LatencyTotals();
  readonly #violations: RunViolation[] = [];
  readonly #environment = environment();
  #verdict: RunResult['verdict'] = 'success';
  #message = '';
  #wallMs = 0;
  #states: RunResult['states'] | undefined;
  #reports: readonly CpuReport<ProgramResult>[] = [];
  #trace: RunResult['trace'] = [];

  constructor(machine: Machine, run: ProgramsRun, programs: readonly Program[]) {
    this.#machine = machine;
    this.#run = run;
    this.#programs = programs;
    this.#before = { counters: readCounters(machine.memory), locks: readLockStat(machine.memory) };
  }

  async finish(): Promise<RunResult> {
    try {
      await this.#phases();
    } catch (error) {
      if (error instanceof UsageError || !(error instanceof Error)) throw error;
      this.#verdict = error instanceof StallError ? 'stall' : 'death';
      this.#message = error.stack !== undefined && this.#verdict === 'death' ? inSource(error.stack) : error.message;
    }
    return this.#result();
  }

  async #phases(): Promise<void> {
    const { setup, files = [], sysctl } = this.#run;
    setSysctl(this.#machine.memory, { ...this.#machine.config.sysctl, ...sysctl });
    this.#limitMemcgs(this.#run.memcgs ?? []);
    this.#switchSwaps(true);
    const before = handedOut(this.#machine.memory);
    const made = await this.#onFirstCpu<SetupOrder, SetUp>(SETUP, { ops: setup, files });
    if (made === undefined) return;
    await this.#programsRun(made);
    if (this.#verdict !== 'success') return;
    await this.#sweep();
    if (this.#verdict !== 'success') return;
    await this.#onFirstCpu<DissolveOrder, void>(DISSOLVE, { ...made, swaps: this.#swapAreas });
    if (this.#verdict === 'success') await this.#sweep();
    this.#checkNothingLost(before);
    if (this.#verdict === 'success') {
      this.#switchSwaps(false);
      this.#limitMemcgs((this.#run.memcgs ?? []).map(() => ({})));
    }
  }

  /** No limits, where none are given. */
  #limitMemcgs(limits: readonly MemcgLimits[]): void {
    limits.forEach((limit, position) => {
      setMemcg(this.#machine.memory, SYSCTL_MEMCG + 1 + position, limit);
    });
  }

  /** A machine that is broken keeps its areas, for whoever looks at it. */
  #switchSwaps(on: boolean): void {
    const { memory } = this.#machine;
    (this.#run.swaps ?? []).forEach((swap, position) => {
      const area = this.#swapAreas[position] as SwapId;
      if (on) switchOn(memory, area, swap);
      else swapoffEmpty(memory, area);
    });
  }

  /** Numbers of the run's own areas. */
  get #swapAreas(): SwapId[] {
    return (this.#run.swaps ?? []).map((_, position) => (this.#machine.config.swaps.length + position) as SwapId);
  }

  async #programsRun({ space, files }: SetUp): Promise<void> {
    const { seconds, signal, seed, inject = [] } = this.#run;
    const { cpus, devices } = this.#machine.config;
    const drawn = seed ?? this.#machine.config.seed;
    const helpers = this.#programs.filter((program) => program.helper === true).length;
    injectIntoBackground(this.#machine.memory, devices, inject, drawn);
    const finished = await this.#machine.run<ProgramOrder, ProgramResult>({
      work: PROGRAM,
      data: (cpu) => ({ program: this.#programs[cpu] as Program, home: space, files, cpus, helpers }),
      describeOp: (cpu) => this.#lastOps(cpu).at(-1) ?? 'no operation yet',
      inject: (cpu) => planFor(inject, { cpu, seed: drawn, role: this.#programs[cpu]?.helper === true ? 'helper' : 'program' }),
      ...(seconds === undefined ? {} : { seconds }),
      ...(signal === undefined ? {} : { signal }),
      ...(seed === undefined ? {} : { seed }),
    });
    mendBackground(this.#machine.memory, devices, this.#machine.config.seed);
    this.#reports = finished.reports;
    this.#wallMs = finished.wallMs;
    this.#states = readVmstatStates(this.#machine.memory);
    this.#noteViolations(finished);
    if (this.#run.keepTrace === true) this.#trace = this.#traces();
    this.#latency.addFrom(this.#machine);
    this.#run.latency?.addFrom(this.#machine);
  }

  async #sweep(): Promise<void> {
    const found = await this.#onFirstCpu<null, Violation[]>(SWEEP, null);
    for (const { id, message } of found ?? []) this.#violated({ id, message, cpu: undefined });
  }

  /** The sweep finds what is wrong with a record; not one that is right, and that nobody knows any more. */
  #checkNothingLost(before: HandedOut): void {
    if (this.#verdict !== 'success') return;
    for (const message of leaks(before, handedOut(this.#machine.memory))) this.#violated({ id: 'leak', message, cpu: undefined });
  }

  /** A phase that needs one CPU only. @returns undefined when it found a violation */
  async #onFirstCpu<Data, Result>(work: URL, data: Data): Promise<Result | undefined> {
    const finished = await this.#machine.run<Data, Result>({ work, data: () => data, cpus: [0], background: work !== SWEEP });
    this.#noteViolations(finished);
    const [report] = finished.reports;
    return report?.end === 'finished' ? report.result : undefined;
  }

  #noteViolations<Result>(finished: FinishedRun<Result>): void {
    for (const report of finished.reports) {
      if (report.end !== 'violation') continue;
      this.#violated({ id: report.violation.id, message: report.violation.message, cpu: report.cpu });
      this.#message ||= stackWithoutMessage(inSource(report.violation.stack));
    }
  }

  #violated(violation: RunViolation): void {
    this.#violations.push(violation);
    this.#verdict = 'failure';
  }

  #result(): RunResult {
    const { config, memory } = this.#machine;
    const results = this.#reports.map((report) => (report.end === 'finished' ? report.result : undefined));
    const opsByCpu = results.map((result) => result?.ops ?? 0);
    const cpuMs = this.#reports.map((report) => report.cpuMs);
    return {
      verdict: this.#verdict,
      policy: config.policy.name,
      cpus: config.cpus,
      seed: this.#run.seed ?? config.seed,
      wallMs: this.#wallMs,
      cpuMs: cpuMs.some((ms) => ms === undefined) ? undefined : cpuMs.reduce<number>((sum, ms) => sum + (ms ?? 0), 0),
      ops: opsByCpu.reduce((sum, ops) => sum + ops, 0),
      opsByCpu,
      counters: counterDelta(readCounters(memory), this.#before.counters),
      states: this.#states ?? readVmstatStates(memory),
      outcomes: sumOutcomes(results.map((result) => result?.outcomes ?? [])),
      latency: this.#latency.summaries(),
      locks: lockStatDelta(readLockStat(memory), this.#before.locks),
      lockOrder: readLockOrder(memory),
      violations: this.#violations,
      trace: this.#trace,
      cpuTitles: this.#machine.cpuTitles,
      postMortem: this.#verdict === 'success' ? undefined : this.#postMortem(),
      environment: this.#environment,
    };
  }

  #postMortem(): PostMortem {
    const { memory, config } = this.#machine;
    const cpus = Array.from({ length: config.cpus }, (_, cpu) => cpu);
    return {
      message: this.#message,
      lastOps: cpus.map((cpu) => this.#lastOps(cpu).slice(-OPS_SHOWN)),
      state: machineState(memory, cpus, performance.now(), (cpu) => this.#lastOps(cpu).at(-1) ?? 'no operation'),
      trace: this.#traces(),
    };
  }

  #traces(): TraceEntry[][] {
    const { memory } = this.#machine;
    return Array.from({ length: memory.size.cpus }, (_, cpu) => readTrace(memory, cpu as CpuId));
  }

  #lastOps(cpu: number): string[] {
    return readOpLog(this.#machine.memory.user, this.#machine.arena, cpu).map(describeLoggedOp);
  }
}

/** The message is told apart; here only the way that led to it is wanted. */
const stackWithoutMessage = (stack: string): string =>
  stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');

/**
 * One run of a machine: a call to every CPU, the common start, the clock, the watchdog, and the first thing that goes wrong.
 *
 *   all CPUs prepare -> gate opens -> they work -> stop rings, or they return by themselves -> reports
 *                                       | a violation, a dead thread or a stall freezes the machine;
 *                                       | who does not come to rest then is left out of the reports
 *
 * Next: watchdog.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { InjectionPlan } from '@faultlab/core/trace/injector';
import type { CpuPool } from './cpu_pool.ts';
import { arrivedCount, openGate, ringFreeze, ringStop } from './doorbell.ts';
import { CpuError } from './errors.ts';
import type { MachineConfig } from './machine_config.ts';
import type { MachineThreads } from './machine_threads.ts';
import { inSource } from './source_lines.ts';
import { Watchdog } from './watchdog.ts';
import type { CpuReport, WorkOrder } from './work.ts';

/** What the CPUs are to do in one run. */
export interface MachineRun<Data> {
  /** A module whose default export is the work, built JavaScript: `new URL('./my_work.js', import.meta.url)`. */
  readonly work: URL;
  /** What CPU `cpu` is given; plain data. */
  readonly data: (cpu: number) => Data;
  /** The CPUs that take part; all of them when not given. */
  readonly cpus?: readonly number[];
  /** The run is told to stop after so many seconds; without it, it ends when every work returns. */
  readonly seconds?: number;
  /** Stops the run early, cleanly. */
  readonly signal?: AbortSignal;
  /** Seed of this run; the machine's when not given. */
  readonly seed?: number;
  /** What goes wrong for CPU `cpu`; nothing when not given. */
  readonly inject?: (cpu: number) => InjectionPlan | null;
  /** false: the background threads rest, as between runs, so that whoever looks at the machine finds it still. */
  readonly background?: boolean;
  /** Words for the operation that a CPU is in, for the report of a stall. */
  readonly describeOp?: (cpu: number) => string;
}

export interface FinishedRun<Result> {
  /** In the order of the CPUs. */
  readonly reports: readonly CpuReport<Result>[];
  /** From the opened gate to the last report. */
  readonly wallMs: number;
}

/** The parts of a machine that a run needs. */
export interface RunHost {
  readonly config: MachineConfig;
  readonly memory: SharedMemory;
  readonly pool: CpuPool;
  readonly threads: MachineThreads;
}

/** How long a frozen machine may take to come to rest before its reports are no longer waited for. */
const FREEZE_GRACE_MS = 2_000;
const GATE_POLL_MS = 1;

export class RunInProgress<Data, Result> {
  readonly #host: RunHost;
  readonly #run: MachineRun<Data>;
  readonly #cpus: readonly number[];
  readonly #reports = new Map<number, CpuReport<Result>>();
  /** CPUs that have neither reported nor died. */
  readonly #pending: Set<number>;
  readonly #rest: Promise<void>;
  #atRest: () => void = () => {};
  #over = false;
  #failed = false;
  #failure: Error | undefined;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(host: RunHost, run: MachineRun<Data>) {
    this.#host = host;
    this.#run = run;
    this.#cpus = run.cpus ?? host.pool.threads.map((thread) => thread.cpu);
    const wrong = this.#cpus.find((cpu) => host.pool.threads[cpu] === undefined);
    if (wrong !== undefined) throw new UsageError(`CPU ${wrong} does not exist; this machine has ${host.pool.threads.length} CPUs.`);
    this.#pending = new Set(this.#cpus);
    this.#rest = new Promise((resolve) => {
      this.#atRest = () => {
        this.#over = true;
        resolve();
      };
    });
  }

  /** @throws whatever went wrong first, unless it was a violation of the model: that one is in the reports */
  async finish(): Promise<FinishedRun<Result>> {
    const { memory, config } = this.#host;
    const { seconds, signal } = this.#run;
    const { threads } = this.#host;
    for (const cpu of this.#cpus) void this.#call(cpu);
    const watchdog = new Watchdog({
      memory,
      stallMs: config.stallMs,
      cpus: this.#cpus,
      threads: threads.cpus,
      describeOp: (cpu) => threads.titleOf(cpu) ?? this.#run.describeOp?.(cpu),
      onStall: (stall) => this.#fail(stall),
    });
    const stop = (): void => ringStop(memory);
    let stopTimer: NodeJS.Timeout | undefined;
    let startedMs = performance.now();
    try {
      await this.#openGateWhenAllAreThere();
      startedMs = performance.now();
      if (signal?.aborted === true) stop();
      signal?.addEventListener('abort', stop);
      if (seconds !== undefined) stopTimer = setTimeout(stop, seconds * 1000);
      await this.#rest;
    } finally {
      clearTimeout(stopTimer);
      clearTimeout(this.#graceTimer);
      signal?.removeEventListener('abort', stop);
      watchdog.stop();
    }
    const wallMs = performance.now() - startedMs;
    const reports = this.#cpus.map((cpu) => this.#reports.get(cpu) ?? { cpu, cpuMs: undefined, end: 'frozen' as const });
    const violated = reports.some((report) => report.end === 'violation');
    if (this.#failure !== undefined && !violated) throw this.#failure;
    return { reports, wallMs };
  }

  async #call(cpu: number): Promise<void> {
    const { work, data, seed, inject } = this.#run;
    try {
      const order: WorkOrder = { module: work.href, data: data(cpu), seed: seed ?? this.#host.config.seed, inject: inject?.(cpu) ?? null };
      const thread = this.#host.pool.threads[cpu];
      const report = (await thread?.call((control) => control.run(order) as Promise<unknown>)) as CpuReport<Result>;
      this.#reports.set(cpu, report);
      if (report.end !== 'finished') this.#fail(errorOf(report));
    } catch (thrown) {
      this.#fail(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
    this.#pending.delete(cpu);
    if (this.#pending.size === 0) this.#atRest();
  }

  async #openGateWhenAllAreThere(): Promise<void> {
    while (!this.#over && !this.#failed && arrivedCount(this.#host.memory) < this.#cpus.length) {
      await new Promise((resolve) => setTimeout(resolve, GATE_POLL_MS));
    }
    openGate(this.#host.memory);
  }

  #fail(error: Error | undefined): void {
    this.#failure ??= error;
    if (this.#failed) return;
    this.#failed = true;
    ringFreeze(this.#host.memory);
    this.#graceTimer = setTimeout(this.#atRest, FREEZE_GRACE_MS);
  }
}

function errorOf<Result>(report: CpuReport<Result>): Error | undefined {
  if (report.end === 'misuse') return new UsageError(report.message);
  if (report.end !== 'threw') return undefined;
  const error = new CpuError(report.cpu, `stopped the machine, because its work threw ${report.message}`);
  error.stack = inSource(`${error.name}: ${error.message}\n${report.stack}`);
  return error;
}

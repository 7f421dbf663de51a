/**
 * Replays a recorded program on the model: reads the trace, plans, boots a machine of the right size, lets every thread of the trace run
 * on its CPU, brings the machine to rest, looks for broken invariants, ends what is left, and looks again.
 * Next: replay_plan.ts for the preparations, replay_cpu.ts for what a CPU does.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { type HandedOut, handedOut, leaks } from '@faultlab/core/invariants/handed_out';
import type { Violation } from '@faultlab/core/invariants/sweep';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { type DeviceStats, readDeviceStats } from '@faultlab/core/io/device_stats';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { latencyText } from '@faultlab/core/io/parse_latency';
import { readLockStat } from '@faultlab/core/locking/lock_stat';
import { PC_OP_INDEX, PC_OP_KIND, PC_PROGRESS, percpuBase } from '@faultlab/core/memory/percpu';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { readCounters } from '@faultlab/core/trace/counters';
import { counterDelta, lockStatDelta } from '../deltas.ts';
import { readLatency } from '../device/device_options.ts';
import { environment } from '../environment.ts';
import { checkInject, injectedLine, injectIntoBackground, injects, mendBackground, planFor, troublesBy } from '../inject/apply.ts';
import { type Injection, injectText } from '../inject/injections.ts';
import { LatencyTotals } from '../latency_totals.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { loadTimeline } from '../perf_script/build_timeline.ts';
import type { ByteSource } from '../perf_script/read_trace.ts';
import type { Timeline } from '../perf_script/timeline.ts';
import type { FinishedRun } from '../run_in_progress.ts';
import type { RunViolation } from '../run_result.ts';
import { inSource } from '../source_lines.ts';
import type { ClearOrder } from './clear_work.ts';
import { describeDifferences, operationText } from './differences.ts';
import { faultRows } from './fault_counts.ts';
import { type FileState, type PrepareOrder, REPLAY_DEVICE } from './prepare_work.ts';
import type { ReplayCpuResult } from './replay_cpu.ts';
import { planReplay, type ReplayPlan } from './replay_plan.ts';
import type { ReplayOrder, ReplayProgram, Speed } from './replay_program.ts';
import { REPLAY_SCHEMA, type ReplayInject, type ReplayIo, type ReplayResult, type ReplayVerdict } from './replay_result.ts';

export type { Difference, ReplayResult, ReplayVerdict } from './replay_result.ts';

export interface ReplayOptions {
  /** What the result calls the trace; its path when not given. */
  readonly name?: string;
  /** Which kernel's decisions the faults follow: a name, or a record of your own. `linux-6.18` when not given. */
  readonly policy?: string | FaultPolicy;
  /** `recorded`: no operation starts earlier than in the trace. `max` when not given. */
  readonly speed?: Speed;
  /** Files are read from a block device, and none of their pages is in memory when the replay starts. */
  readonly cold?: boolean;
  /**
   * How long a request of the block device takes, as text such as `fixed:100us` or as data; `fixed:100us` for a cold replay when not given.
   * Without `cold` all pages of files are in memory when the replay starts, and only what is written back goes to the device.
   */
  readonly io?: string | LatencyModel;
  /** Check more than the constant-time assertions; slower. */
  readonly verify?: boolean;
  /** Differences to describe; all are counted. 10 when not given. */
  readonly show?: number;
  /** What goes wrong while the CPUs replay; see faultlab list injections. */
  readonly inject?: readonly Injection[];
  /** What injections are drawn from; 1 when not given. */
  readonly seed?: number;
  /** Ends the replay early, cleanly. */
  readonly signal?: AbortSignal;
  /** A CPU that makes no progress for so many milliseconds has stalled. */
  readonly stallMs?: number;
  /** Called when the CPUs have replayed, with the machine before it is cleared and the latencies. */
  readonly inspect?: (machine: Machine, latency: LatencyTotals) => void;
  /** Called every second while the CPUs run. */
  readonly onProgress?: (done: number, total: number) => void;
}

export const SHOW_DEFAULT = 10;
/** How long a request takes in a cold replay when nobody says. */
export const COLD_IO = 'fixed:100us';
const PROGRESS_MS = 1_000;
const REPLAY = new URL('./replay_cpu.js', import.meta.url);
const PREPARE = new URL('./prepare_work.js', import.meta.url);
const CLEAR = new URL('./clear_work.js', import.meta.url);
const SWEEP = new URL('../program/sweep_work.js', import.meta.url);

/**
 * Replays a trace: the text of `perf script`, plain or gzipped, as a path, "-" for standard input, or the bytes themselves.
 * @returns the result, also when the replay went wrong: see `verdict`
 * @throws UsageError when the trace cannot be read, is malformed or cut off, or does not fit a machine
 */
export async function replayTrace(input: string | ByteSource, options: ReplayOptions = {}): Promise<ReplayResult> {
  const name = options.name ?? (typeof input === 'string' ? (input === '-' ? 'standard input' : input) : 'trace');
  return await replayTimeline(await loadTimeline(input, name), { ...options, name });
}

/** The same for a trace that has been read already. */
export async function replayTimeline(timeline: Timeline, options: ReplayOptions & { readonly name: string }): Promise<ReplayResult> {
  const { cold = false, io } = options;
  const files = cold ? 'cold' : io === undefined ? 'resident' : 'warm';
  const latency = io === undefined || typeof io === 'string' ? readLatency(io ?? COLD_IO) : io;
  const plan = planReplay(timeline, files !== 'resident');
  checkReplayInject(options.inject ?? [], files !== 'resident', plan.cpus.length);
  if (timeline.ops.count === 0) {
    throw new UsageError(
      `${options.name} has no operation of a user program; record page faults and memory system calls with --show-mmap-events --show-task-events.`,
    );
  }
  await using machine = await bootMachine({
    cpus: plan.cpus.length,
    size: plan.size,
    ...(files === 'resident' ? {} : { devices: [{ latency }] }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.verify === undefined ? {} : { verify: options.verify }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
    ...(options.inject === undefined ? {} : { inject: options.inject }),
  });
  return await new ReplayInProgress(plan, machine, files, options).finish();
}

/** @throws UsageError for what cannot happen in this replay */
function checkReplayInject(inject: readonly Injection[], device: boolean, cpus: number): void {
  checkInject(inject, cpus);
  const ofDevice = DEVICE_INJECTIONS.find((name) => injects(inject, name));
  if (ofDevice !== undefined && !device) {
    throw new UsageError(`${ofDevice} needs a block device, but all pages of files are in memory; add --cold or --io.`);
  }
}
const DEVICE_INJECTIONS = ['io_error', 'slow_io', 'silent_device'] as const;

class ReplayInProgress {
  readonly #plan: ReplayPlan;
  readonly #machine: Machine;
  readonly #files: FileState;
  readonly #options: ReplayOptions & { readonly name: string };
  readonly #environment = environment();
  readonly #latency = new LatencyTotals();
  readonly #violations: RunViolation[] = [];
  readonly #before: HandedOut;
  #verdict: ReplayVerdict = 'agrees';
  #message = '';
  #counters: ReplayResult['counters'];
  #locks: ReplayResult['locks'];
  #device: DeviceStats | undefined;
  #run: FinishedRun<ReplayCpuResult> = { reports: [], wallMs: 0 };

  constructor(plan: ReplayPlan, machine: Machine, files: FileState, options: ReplayOptions & { readonly name: string }) {
    this.#plan = plan;
    this.#files = files;
    this.#machine = machine;
    this.#options = options;
    this.#counters = readCounters(machine.memory);
    this.#locks = readLockStat(machine.memory);
    this.#before = handedOut(machine.memory);
  }

  async finish(): Promise<ReplayResult> {
    try {
      await this.#phases();
    } catch (error) {
      if (error instanceof UsageError || !(error instanceof Error)) throw error;
      this.#verdict = error instanceof StallError ? 'stall' : 'death';
      this.#message = this.#verdict === 'death' ? inSource(error.stack ?? error.message) : error.message;
    }
    return this.#result();
  }

  async #phases(): Promise<void> {
    const { map, filePages, initial, stackPagesMax } = this.#plan;
    await this.#onFirstCpu<PrepareOrder, void>(PREPARE, { map, filePages, files: this.#files, initial, stackPagesMax });
    await this.#replay();
    if (this.#violations.length > 0) return;
    await this.#sweep();
    if (this.#violations.length > 0) return;
    await this.#onFirstCpu<ClearOrder, void>(CLEAR, { map });
    if (this.#violations.length > 0) return;
    await this.#sweep();
    for (const message of leaks(this.#before, handedOut(this.#machine.memory))) this.#violated({ id: 'leak', message, cpu: undefined });
  }

  async #replay(): Promise<void> {
    const { memory } = this.#machine;
    const before = { counters: readCounters(memory), locks: readLockStat(memory) };
    const stopReporting = this.#reportProgress();
    const { inject = [] } = this.#options;
    const { seed, devices } = this.#machine.config;
    injectIntoBackground(memory, devices, inject, seed);
    try {
      this.#run = await this.#machine.run<ReplayOrder, ReplayCpuResult>({
        work: REPLAY,
        data: (cpu) => this.#orderOf(cpu),
        inject: (cpu) => planFor(inject, { cpu, seed }),
        describeOp: (cpu) => this.#describeOp(cpu),
        ...(this.#options.signal === undefined ? {} : { signal: this.#options.signal }),
      });
    } finally {
      stopReporting();
      mendBackground(memory, devices, seed);
      this.#counters = counterDelta(readCounters(memory), before.counters);
      this.#locks = lockStatDelta(readLockStat(memory), before.locks);
      this.#latency.addFrom(this.#machine);
      this.#options.inspect?.(this.#machine, this.#latency);
      // What is written when the files are closed is no part of the replay.
      if (this.#files !== 'resident') this.#device = readDeviceStats(memory, REPLAY_DEVICE as DeviceId);
    }
    this.#noteViolations(this.#run);
  }

  #orderOf(cpu: number): ReplayOrder {
    const { cpus, programs, map, stackPagesMax } = this.#plan;
    const { inject = [] } = this.#options;
    return {
      programs: (cpus[cpu] as readonly number[]).map((thread) => programs[thread] as ReplayProgram),
      map,
      speed: this.#options.speed ?? 'max',
      stackPagesMax,
      keep: this.#options.show ?? SHOW_DEFAULT,
      ...(inject.length === 0 ? {} : { troubles: troublesBy(inject) }),
    };
  }

  #describeOp(cpu: number): string {
    const word = (field: number): number =>
      this.#machine.memory.words[percpuBase(this.#machine.memory.percpuAt, cpu as CpuId) + field] as number;
    const thread = word(PC_OP_KIND);
    const { tid, name, ops } = this.#plan.timeline.threads[thread] ?? { tid: 0, name: '', ops: [] };
    const seq = word(PC_OP_INDEX);
    return seq < ops.length ? `thread ${tid} (${name}): ${operationText(this.#plan, thread, seq)}` : 'no operation';
  }

  #reportProgress(): () => void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return () => {};
    const { memory } = this.#machine;
    const done = (): number =>
      this.#plan.cpus.reduce(
        (sum, _, cpu) => sum + ((memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + PC_PROGRESS] as number) >>> 0),
        0,
      );
    const start = done();
    const timer = setInterval(() => onProgress(done() - start, this.#plan.timeline.ops.count), PROGRESS_MS);
    return () => clearInterval(timer);
  }

  async #sweep(): Promise<void> {
    const found = await this.#onFirstCpu<null, Violation[]>(SWEEP, null);
    for (const { id, message } of found ?? []) this.#violated({ id, message, cpu: undefined });
  }

  /** A phase that needs one CPU only. @returns undefined when it found a violation */
  async #onFirstCpu<Data, Result>(work: URL, data: Data): Promise<Result | undefined> {
    const finished = await this.#machine.run<Data, Result>({ work, data: () => data, cpus: [0] });
    this.#noteViolations(finished);
    const [report] = finished.reports;
    return report?.end === 'finished' ? report.result : undefined;
  }

  #noteViolations<Result>(finished: FinishedRun<Result>): void {
    for (const report of finished.reports) {
      if (report.end !== 'violation') continue;
      this.#violated({ id: report.violation.id, message: report.violation.message, cpu: report.cpu });
      this.#message ||= `${this.#describeOp(report.cpu)}\n${inSource(report.violation.stack)}`;
    }
  }

  #io(): ReplayIo | null {
    const [device] = this.#machine.config.devices;
    if (this.#files === 'resident' || device === undefined || this.#device === undefined) return null;
    const { reads, pagesRead, writes, pagesWritten, latencyUsMax } = this.#device;
    return { start: this.#files, model: latencyText(device.latency), reads, pagesRead, writes, pagesWritten, latencyUsMax };
  }

  #injected(repeated: number): { readonly inject?: ReplayInject } {
    const { inject = [] } = this.#options;
    const counts = injectedLine(inject, this.#counters);
    return counts === undefined ? {} : { inject: { spec: injectText(inject), seed: this.#machine.config.seed, repeated, counts } };
  }

  #violated(violation: RunViolation): void {
    this.#violations.push(violation);
    this.#verdict = 'violation';
  }

  #result(): ReplayResult {
    const { name, speed = 'max', verify = false, show = SHOW_DEFAULT } = this.#options;
    const { timeline, programs } = this.#plan;
    const results = this.#run.reports.flatMap((report) => (report.end === 'finished' ? [report.result] : []));
    const sum = (of: (result: ReplayCpuResult) => number): number => results.reduce((total, result) => total + of(result), 0);
    const cpuMs = this.#run.reports.map((report) => report.cpuMs);
    const areas = { total: areasIn(programs), agreeing: sum((result) => result.areasAgreeing) };
    const unexpected = sum((result) => result.unexpected);
    if (this.#verdict === 'agrees' && results.some((result) => !result.finished)) this.#verdict = 'interrupted';
    if (this.#verdict === 'agrees' && (unexpected > 0 || areas.agreeing !== areas.total)) this.#verdict = 'differs';
    return {
      schema: REPLAY_SCHEMA,
      kind: 'replay',
      name,
      verdict: this.#verdict,
      message: this.#message,
      policy: this.#machine.config.policy.name,
      speed,
      verify,
      programs: programNames(timeline),
      trace: timeline.summary,
      cpus: this.#machine.config.cpus,
      wallMs: this.#run.wallMs,
      cpuMs: cpuMs.some((ms) => ms === undefined) ? undefined : cpuMs.reduce<number>((total, ms) => total + (ms ?? 0), 0),
      ops: { total: timeline.ops.count, done: sum((result) => result.ops), sleptForOrder: sum((result) => result.orderSleeps) },
      faults: {
        total: timeline.summary.faults.total,
        replayed: sum((result) => result.faults),
        refusedAsExpected: sum((result) => result.refusedAsExpected),
        rows: faultRows(results.map((result) => result.faultCounts)),
      },
      areas,
      unexpected,
      skipped: addedUp(results.map((result) => result.skipped)),
      differences: describeDifferences(
        this.#plan,
        results.flatMap((result) => result.differences),
        show,
      ),
      io: this.#io(),
      ...this.#injected(sum((result) => result.repeated)),
      counters: this.#counters,
      latency: this.#latency.summaries(),
      locks: this.#locks,
      violations: this.#violations,
      environment: this.#environment,
    };
  }
}

/** Areas that a replay compares. */
function areasIn(programs: readonly ReplayProgram[]): number {
  let areas = 0;
  for (const { steps, growth } of programs) {
    areas += growth.size;
    for (const step of steps) areas += step.do === 'call' ? step.areas.length : Number(step.do === 'area');
  }
  return areas;
}

function programNames(timeline: Timeline): string[] {
  const executed = timeline.details.flatMap((detail) => (detail.kind === 'exec' ? [detail.name] : []));
  const names = executed.length > 0 ? executed : timeline.threads.map((thread) => thread.name);
  return [...new Set(names)];
}

function addedUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const count of counts) for (const [name, number] of Object.entries(count)) sums[name] = (sums[name] ?? 0) + number;
  return sums;
}

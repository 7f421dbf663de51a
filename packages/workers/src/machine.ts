/**
 * A machine: shared memory and one thread per CPU. It owns every thread: after `close()`, or at the end of an `await using` block, none
 * is left, whatever happened.
 * Next: cpu_pool.ts starts the threads, watchdog.ts watches them, program/run_program.ts is what they usually do.
 */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { SwapId } from '@faultlab/core/base/brand';
import { StallError, UsageError } from '@faultlab/core/base/errors';
import { createMachineMemory } from '@faultlab/core/boot';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { type ArenaMap, arenaMap, withHarnessWords } from './arena_map.ts';
import { backgroundThreadPlans } from './background/background_threads.ts';
import { allRest, askForRest, endRest } from './background/rest.ts';
import { collectGarbage } from './collect_garbage.ts';
import { CpuPool } from './cpu_pool.ts';
import { needsThread } from './device/device_options.ts';
import { devicesRest, deviceThreadPlans, setUpDevices } from './device/device_threads.ts';
import { outstandingLines } from './device/outstanding_lines.ts';
import { freezerOf, resetDoorbell, ringFreeze } from './doorbell.ts';
import { type MachineConfig, type MachineOptions, resolveConfig } from './machine_config.ts';
import { machineState } from './machine_state.ts';
import { MachineThreads } from './machine_threads.ts';
import { type FinishedRun, type MachineRun, RunInProgress } from './run_in_progress.ts';
import { stateTable } from './stall_report.ts';
import { switchOn } from './swap_options.ts';

const POLITE_END_MS = 1_000;
const REST_POLL_MS = 1;

/** Starts a machine and waits until every CPU answers. @throws UsageError for a bad option */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const config = resolveConfig(options);
  const memory = createMachineMemory(withHarnessWords(config.size), { plain: config.plain, mutant: config.mutant });
  setSysctl(memory, config.sysctl);
  config.swaps.forEach((swap, area) => {
    switchOn(memory, area as SwapId, swap);
  });
  const { policy, arch, verify, trace, seed } = config;
  const common = { policy, verify, trace, spin: availableParallelism() > 1, clockOrigin: performance.timeOrigin };
  const pool = new CpuPool(config.cpus, config.heapMb, { ...common, arch, handle: memory.handle });
  try {
    await Promise.all(pool.threads.map((thread) => thread.call((control) => control.hello())));
    const forThreads = { ...common, seed, inject: config.inject };
    const firstBackground = config.cpus + config.devices.filter(needsThread).length;
    setUpDevices(memory, config.devices, config.cpus, seed);
    const threads = await MachineThreads.start(memory, [
      ...deviceThreadPlans(memory, config.devices, config.cpus, forThreads),
      ...backgroundThreadPlans(memory, config.background, firstBackground, forThreads),
    ]);
    return new Machine(config, memory, pool, threads);
  } catch (error) {
    await pool.close(0);
    throw error;
  }
}

export class Machine implements AsyncDisposable {
  readonly config: MachineConfig;
  readonly memory: SharedMemory;
  readonly arena: ArenaMap;
  readonly #pool: CpuPool;
  readonly #threads: MachineThreads;
  #state: 'idle' | 'running' | 'broken' | 'closed' = 'idle';

  /** Use bootMachine(). */
  constructor(config: MachineConfig, memory: SharedMemory, pool: CpuPool, threads: MachineThreads) {
    this.config = config;
    this.memory = memory;
    this.arena = arenaMap(memory.size);
    this.#pool = pool;
    this.#threads = threads;
  }

  /** False after a violation, a stall or the death of a thread: look at the memory, then close the machine. */
  get usable(): boolean {
    return this.#state === 'idle' && this.#threads.healthy;
  }

  /** The threads themselves, in no particular order. */
  get workers(): readonly Worker[] {
    return this.#pool.workers;
  }

  /** The threads of the devices that have one, in the order of the devices. */
  get deviceWorkers(): readonly Worker[] {
    return this.#threads.workers.slice(0, this.config.devices.filter(needsThread).length);
  }

  /** The background threads, in the order of `config.background`. */
  get backgroundWorkers(): readonly Worker[] {
    return this.#threads.workers.slice(this.deviceWorkers.length);
  }

  /** What to call each CPU of the memory in a trace: those of programs first, then devices and background threads. */
  get cpuTitles(): readonly string[] {
    return Array.from({ length: this.memory.size.cpus }, (_, cpu) => this.#threads.titleOf(cpu) ?? `CPU ${cpu}`);
  }

  /** Thread numbers by CPU: `workers` and other tools know a CPU by them. */
  async threadIds(): Promise<number[]> {
    const answers = await Promise.all(this.#pool.threads.map((thread) => thread.call((control) => control.hello())));
    return answers.map((answer) => answer.threadId);
  }

  /** A full collection in this thread and in those of the CPUs, between two runs: for who wants to know what memory is kept. */
  async collectGarbage(): Promise<void> {
    collectGarbage();
    await Promise.all(this.#pool.threads.map((thread) => thread.call((control) => control.collectGarbage())));
  }

  /**
   * Lets the CPUs work, from a common start to the last report. A violation of the model is part of the reports.
   * @throws StallError when a CPU makes no progress; CpuError when a thread dies or its work throws; UsageError when the work refuses
   * its data. The machine is not usable afterwards.
   */
  async run<Data, Result>(run: MachineRun<Data>): Promise<FinishedRun<Result>> {
    if (this.#state !== 'idle') throw new UsageError(`This machine is ${this.#state}, so it cannot run; boot another one.`);
    const { failure, violation } = this.#threads;
    if (failure !== undefined) throw failure;
    if (violation !== undefined) {
      throw new UsageError(
        `The ${this.#threads.titleOf(violation.cpu)} of this machine found it broken, so it cannot run; boot another one.`,
      );
    }
    this.#state = 'running';
    resetDoorbell(this.memory);
    if (run.background !== false) endRest(this.memory);
    let healthy = false;
    try {
      const host = { config: this.config, memory: this.memory, pool: this.#pool, threads: this.#threads };
      const over = await new RunInProgress<Data, Result>(host, run).finish();
      if (over.reports.every((report) => report.end === 'finished')) await this.#comeToRest();
      const finished = await this.#withThreads(over);
      healthy = finished.reports.every((report) => report.end === 'finished');
      return finished;
    } finally {
      this.#state = healthy ? 'idle' : 'broken';
    }
  }

  /** What became of the threads without programs: a violation is a report like the others'. @throws CpuError when one has died */
  async #withThreads<Result>(finished: FinishedRun<Result>): Promise<FinishedRun<Result>> {
    await this.#threads.verdict(freezerOf(this.memory));
    const { violation, failure } = this.#threads;
    if (violation !== undefined) {
      const report = { ...violation, cpuMs: undefined, end: 'violation' as const };
      return { ...finished, reports: [...finished.reports, report] };
    }
    if (failure !== undefined) throw failure;
    return finished;
  }

  /** First the background threads, which may still start I/O, then the devices. @throws StallError when one of them owes something for too long */
  async #comeToRest(): Promise<void> {
    const { config, memory } = this;
    askForRest(memory);
    await this.#waitFor('a background thread', () => allRest(memory));
    await this.#waitFor('a device', () => devicesRest(memory, config.devices, config.cpus));
  }

  async #waitFor(who: string, rests: () => boolean): Promise<void> {
    const { stallMs } = this.config;
    const endMs = performance.now() + stallMs;
    while (this.#threads.healthy && !rests()) {
      if (performance.now() >= endMs) throw new StallError(this.#restless(who));
      await new Promise((resolve) => setTimeout(resolve, REST_POLL_MS));
    }
  }

  #restless(who: string): string {
    const nowMs = performance.now();
    const background = this.config.background.map((_, position) => this.#threads.cpus[this.deviceWorkers.length + position] as number);
    const states = machineState(this.memory, background, nowMs, (cpu) => this.#threads.titleOf(cpu) ?? '');
    const lines = [`All CPUs have ended, but ${who} has not come to rest for ${this.config.stallMs} ms.`];
    if (states.length > 0) lines.push(...stateTable(states));
    return [...lines, ...outstandingLines(this.memory, nowMs)].join('\n');
  }

  /** Ends every thread. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const healthy = this.#state === 'idle';
    this.#state = 'closed';
    ringFreeze(this.memory);
    await Promise.all([this.#pool.close(healthy ? POLITE_END_MS : 0), this.#threads.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

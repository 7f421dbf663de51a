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
import { CpuPool } from './cpu_pool.ts';
import { DeviceThreads } from './device/device_threads.ts';
import { outstandingLines } from './device/outstanding_lines.ts';
import { freezerOf, resetDoorbell, ringFreeze } from './doorbell.ts';
import { type MachineConfig, type MachineOptions, resolveConfig } from './machine_config.ts';
import { type FinishedRun, type MachineRun, RunInProgress } from './run_in_progress.ts';
import { switchOn } from './swap_options.ts';

const POLITE_END_MS = 1_000;

/** Starts a machine and waits until every CPU answers. @throws UsageError for a bad option */
export async function bootMachine(options: MachineOptions = {}): Promise<Machine> {
  const config = resolveConfig(options);
  const memory = createMachineMemory(withHarnessWords(config.size), { plain: config.plain });
  setSysctl(memory, config.sysctl);
  config.swaps.forEach((swap, area) => {
    switchOn(memory, area as SwapId, swap);
  });
  const { policy, arch, verify, trace, seed } = config;
  const common = { policy, verify, trace, spin: availableParallelism() > 1, clockOrigin: performance.timeOrigin };
  const pool = new CpuPool(config.cpus, config.heapMb, { ...common, arch, handle: memory.handle });
  try {
    await Promise.all(pool.threads.map((thread) => thread.call((control) => control.hello())));
    const devices = await DeviceThreads.start(memory, config.devices, config.cpus, { ...common, seed });
    return new Machine(config, memory, pool, devices);
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
  readonly #devices: DeviceThreads;
  #state: 'idle' | 'running' | 'broken' | 'closed' = 'idle';

  /** Use bootMachine(). */
  constructor(config: MachineConfig, memory: SharedMemory, pool: CpuPool, devices: DeviceThreads) {
    this.config = config;
    this.memory = memory;
    this.arena = arenaMap(memory.size);
    this.#pool = pool;
    this.#devices = devices;
  }

  /** False after a violation, a stall or the death of a thread: look at the memory, then close the machine. */
  get usable(): boolean {
    return this.#state === 'idle' && this.#devices.healthy;
  }

  /** The threads themselves, in no particular order. */
  get workers(): readonly Worker[] {
    return this.#pool.workers;
  }

  /** The threads of the devices that have one, in the order of the devices. */
  get deviceWorkers(): readonly Worker[] {
    return this.#devices.workers;
  }

  /** Thread numbers by CPU: `workers` and other tools know a CPU by them. */
  async threadIds(): Promise<number[]> {
    const answers = await Promise.all(this.#pool.threads.map((thread) => thread.call((control) => control.hello())));
    return answers.map((answer) => answer.threadId);
  }

  /**
   * Lets the CPUs work, from a common start to the last report. A violation of the model is part of the reports.
   * @throws StallError when a CPU makes no progress; CpuError when a thread dies or its work throws; UsageError when the work refuses
   * its data. The machine is not usable afterwards.
   */
  async run<Data, Result>(run: MachineRun<Data>): Promise<FinishedRun<Result>> {
    if (this.#state !== 'idle') throw new UsageError(`This machine is ${this.#state}, so it cannot run; boot another one.`);
    if (this.#devices.failure !== undefined) throw this.#devices.failure;
    if (this.#devices.violation !== undefined)
      throw new UsageError('A device of this machine found it broken, so it cannot run; boot another one.');
    this.#state = 'running';
    resetDoorbell(this.memory);
    let healthy = false;
    try {
      const host = { config: this.config, memory: this.memory, pool: this.#pool };
      const over = await new RunInProgress<Data, Result>(host, run).finish();
      if (over.reports.every((report) => report.end === 'finished')) await this.#devicesRest();
      const finished = await this.#withDevices(over);
      healthy = finished.reports.every((report) => report.end === 'finished');
      return finished;
    } finally {
      this.#state = healthy ? 'idle' : 'broken';
    }
  }

  /** What became of the devices: a violation is a report like the others'. @throws CpuError when a device has died */
  async #withDevices<Result>(finished: FinishedRun<Result>): Promise<FinishedRun<Result>> {
    await this.#devices.verdict(freezerOf(this.memory));
    const { violation, failure } = this.#devices;
    if (violation !== undefined) {
      const report = { ...violation, cpuMs: undefined, end: 'violation' as const };
      return { ...finished, reports: [...finished.reports, report] };
    }
    if (failure !== undefined) throw failure;
    return finished;
  }

  /** @throws StallError when a device owes something for too long */
  async #devicesRest(): Promise<void> {
    const { stallMs } = this.config;
    if (await this.#devices.rest(stallMs)) return;
    if (!this.#devices.healthy) return;
    const owed = outstandingLines(this.memory, performance.now());
    throw new StallError([`All CPUs have ended, but a device has not come to rest for ${stallMs} ms.`, ...owed].join('\n'));
  }

  /** Ends every thread. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const healthy = this.#state === 'idle';
    this.#state = 'closed';
    ringFreeze(this.memory);
    await Promise.all([this.#pool.close(healthy ? POLITE_END_MS : 0), this.#devices.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * The threads of a machine's block devices. They serve from boot to the end of the machine, through all its runs. A device that dies takes
 * the machine with it: it is frozen, and `failure` says why.
 * Next: device_main.ts is the other side.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { CpuId } from '@faultlab/core/base/brand';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { setErrorRate } from '@faultlab/core/io/error_injection';
import { PC_WAIT_KIND, percpuBase, WAIT_IO } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { ringFreeze } from '../doorbell.ts';
import { CpuError } from '../errors.ts';
import type { FoundViolation } from '../work.ts';
import type { DeviceNews, DeviceTask } from './device_main.ts';
import { type DeviceConfig, needsThread } from './device_options.ts';

/** What all CPUs of a machine are started with. */
export type CommonDeviceTask = Omit<DeviceTask, 'cpu' | 'device' | 'latency' | 'handle'>;

const REST_POLL_MS = 1;

interface DeviceThread {
  readonly cpu: number;
  readonly device: number;
  readonly worker: Worker;
  readonly ready: Promise<unknown>;
  /** Settles when the device has said how it ended, or has ended without a word. */
  readonly ended: Promise<void>;
}

export class DeviceThreads {
  readonly #memory: SharedMemory;
  readonly #threads: DeviceThread[] = [];
  #closing = false;
  #failure: Error | undefined;
  #violation: { readonly cpu: number; readonly violation: FoundViolation } | undefined;

  private constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /**
   * Sets the devices up, from number 0, and starts a thread for each that takes time. Settles when all of them serve.
   * @param firstCpu the CPU of the first such thread; the others follow
   */
  static async start(
    memory: SharedMemory,
    devices: readonly DeviceConfig[],
    firstCpu: number,
    common: CommonDeviceTask,
  ): Promise<DeviceThreads> {
    const threads = new DeviceThreads(memory);
    try {
      let cpu = firstCpu;
      devices.forEach((config, device) => {
        threads.#setUp(config, device, needsThread(config) ? cpu : undefined, common.seed);
        if (!needsThread(config)) return;
        threads.#threads.push(threads.#spawn({ ...common, handle: memory.handle, cpu, device, latency: config.latency }));
        cpu++;
      });
      await Promise.all(threads.#threads.map((thread) => thread.ready));
    } catch (error) {
      await threads.close();
      throw error;
    }
    return threads;
  }

  /** The workers, in the order of their devices. */
  get workers(): readonly Worker[] {
    return this.#threads.map((thread) => thread.worker);
  }

  /** Nothing has gone wrong so far. */
  get healthy(): boolean {
    return this.#failure === undefined && this.#violation === undefined;
  }

  /** The death of a device, or what it threw. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The rule of the model that a device found broken. */
  get violation(): { readonly cpu: number; readonly violation: FoundViolation } | undefined {
    return this.#violation;
  }

  /** Waits until the device whose CPU froze the machine, if it was one, has said why. */
  async verdict(freezer: number): Promise<void> {
    await this.#threads.find((thread) => thread.cpu === freezer)?.ended;
  }

  /**
   * Waits until every device has served all its requests (of read-ahead and write-back nobody waits for the end) and sleeps.
   * @returns whether all of them did so in time and in good health
   */
  async rest(limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    while (this.healthy && performance.now() < endMs) {
      if (this.#threads.every((thread) => this.#rests(thread))) return true;
      await new Promise((resolve) => setTimeout(resolve, REST_POLL_MS));
    }
    return false;
  }

  #rests({ cpu, device }: DeviceThread): boolean {
    const { words, percpuAt } = this.#memory;
    const waits = Atomics.load(words, percpuBase(percpuAt, cpu as CpuId) + PC_WAIT_KIND) === WAIT_IO;
    return waits && readDeviceStats(this.#memory, device as DeviceId).outstanding === 0;
  }

  /** Ends every thread, whatever it is in. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
  }

  #setUp(config: DeviceConfig, id: number, server: number | undefined, seed: number): void {
    const device = id as DeviceId;
    const contents = config.contents === 'files' ? CONTENTS_FILES : CONTENTS_BLANK;
    const { queueDepth } = config;
    setupDevice(this.#memory, device, { queueDepth, contents, ...(server === undefined ? {} : { server: server as CpuId }) });
    setErrorRate(this.#memory, device, config.errorRate, seed);
  }

  #spawn(task: DeviceTask): DeviceThread {
    const worker = new Worker(new URL('./device_main.js', import.meta.url), { workerData: task });
    let spoke = false;
    const ended = new Promise<void>((resolve) => {
      worker.on('message', (news: DeviceNews) => {
        if (news.kind === 'ready') return;
        spoke = true;
        this.#hear(task, news);
        resolve();
      });
      worker.on('error', (cause) => this.#die(task, `threw ${cause instanceof Error ? cause.message : String(cause)}`, cause));
      worker.on('exit', (code) => {
        if (!spoke) this.#die(task, `ended in the middle of its work (exit code ${code}).`);
        resolve();
      });
    });
    const ready = once(worker, 'message');
    const early = ended.then(() => {
      throw this.#failure ?? new CpuError(task.cpu, `(device ${task.device}) ended before it served.`);
    });
    early.catch(() => {}); // Later deaths are told by `failure`.
    return { cpu: task.cpu, device: task.device, worker, ready: Promise.race([ready, early]), ended };
  }

  #hear(task: DeviceTask, news: DeviceNews): void {
    if (news.kind === 'violation') this.#violation ??= { cpu: task.cpu, violation: news.violation };
    if (news.kind !== 'threw') return;
    const error = new CpuError(task.cpu, `(device ${task.device}) stopped the machine, because it threw ${news.message}`);
    error.stack = `${error.name}: ${error.message}\n${news.stack}`;
    this.#failure ??= error;
  }

  #die(task: DeviceTask, what: string, cause?: unknown): void {
    if (this.#closing) return;
    this.#failure ??= new CpuError(task.cpu, `(device ${task.device}) died: its thread ${what}`, { cause });
    ringFreeze(this.#memory);
  }
}

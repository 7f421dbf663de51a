/**
 * Threads of a machine that run no programs: devices and background threads. They live from boot to the end of the machine, through all its
 * runs. One that dies takes the machine with it: it is frozen, and `failure` says why.
 * Next: device/device_threads.ts, background/background_threads.ts
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { ringFreeze } from './doorbell.ts';
import { CpuError } from './errors.ts';
import { inSource } from './source_lines.ts';
import { HEAP_MB_DEFAULT, heapLimits } from './thread_heap.ts';
import type { ThreadNews } from './thread_news.ts';
import type { FoundViolation } from './work.ts';

/** One thread to start. */
export interface ThreadPlan {
  readonly cpu: number;
  /** For sentences: "device 3". */
  readonly title: string;
  /** Its module, built JavaScript; it tells ThreadNews. */
  readonly module: URL;
  readonly task: unknown;
}

interface MachineThread extends ThreadPlan {
  readonly worker: Worker;
  readonly ready: Promise<unknown>;
  /** Settles when the thread has said how it ended, or has ended without a word. */
  readonly ended: Promise<void>;
}

export class MachineThreads {
  readonly #memory: SharedMemory;
  readonly #threads: MachineThread[] = [];
  #closing = false;
  #failure: Error | undefined;
  #violation: { readonly cpu: number; readonly violation: FoundViolation } | undefined;

  private constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /** Settles when all of them have said that they are ready. @throws CpuError when one ends before that; none is left then */
  static async start(memory: SharedMemory, plans: readonly ThreadPlan[]): Promise<MachineThreads> {
    const threads = new MachineThreads(memory);
    try {
      for (const plan of plans) threads.#threads.push(threads.#spawn(plan));
      await Promise.all(threads.#threads.map((thread) => thread.ready));
    } catch (error) {
      await threads.close();
      throw error;
    }
    return threads;
  }

  /** The workers, in the order of the plans. */
  get workers(): readonly Worker[] {
    return this.#threads.map((thread) => thread.worker);
  }

  get cpus(): readonly number[] {
    return this.#threads.map((thread) => thread.cpu);
  }

  /** The title of the thread with that CPU, or undefined. */
  titleOf(cpu: number): string | undefined {
    return this.#threads.find((thread) => thread.cpu === cpu)?.title;
  }

  /** Nothing has gone wrong so far. */
  get healthy(): boolean {
    return this.#failure === undefined && this.#violation === undefined;
  }

  /** The death of a thread, or what it threw. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The rule of the model that a thread found broken. */
  get violation(): { readonly cpu: number; readonly violation: FoundViolation } | undefined {
    return this.#violation;
  }

  /** Waits until the thread whose CPU froze the machine, if it was one, has said why. */
  async verdict(freezer: number): Promise<void> {
    await this.#threads.find((thread) => thread.cpu === freezer)?.ended;
  }

  /** Ends every thread, whatever it is in. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map((thread) => thread.worker.terminate()));
  }

  #spawn(plan: ThreadPlan): MachineThread {
    const worker = new Worker(plan.module, { workerData: plan.task, resourceLimits: heapLimits(HEAP_MB_DEFAULT) });
    let spoke = false;
    const ended = new Promise<void>((resolve) => {
      worker.on('message', (news: ThreadNews) => {
        if (news.kind === 'ready') return;
        spoke = true;
        this.#hear(plan, news);
        resolve();
      });
      worker.on('error', (cause) => this.#die(plan, `threw ${cause instanceof Error ? cause.message : String(cause)}`, cause));
      worker.on('exit', (code) => {
        if (!spoke) this.#die(plan, `ended in the middle of its work (exit code ${code}).`);
        resolve();
      });
    });
    const ready = once(worker, 'message');
    const early = ended.then(() => {
      throw this.#failure ?? new CpuError(plan.cpu, `(${plan.title}) ended before it was ready.`);
    });
    early.catch(() => {}); // Later deaths are told by `failure`.
    return { ...plan, worker, ready: Promise.race([ready, early]), ended };
  }

  #hear({ cpu, title }: ThreadPlan, news: ThreadNews): void {
    if (news.kind === 'violation') this.#violation ??= { cpu, violation: news.violation };
    if (news.kind !== 'threw') return;
    const error = new CpuError(cpu, `(${title}) stopped the machine, because it threw ${news.message}`);
    error.stack = inSource(`${error.name}: ${error.message}\n${news.stack}`);
    this.#failure ??= error;
  }

  #die({ cpu, title }: ThreadPlan, what: string, cause?: unknown): void {
    if (this.#closing) return;
    this.#failure ??= new CpuError(cpu, `(${title}) died: its thread ${what}`, { cause });
    ringFreeze(this.#memory);
  }
}

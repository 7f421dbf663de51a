/**
 * The threads of a machine: a pool with exactly as many threads as CPUs, one long task each, and a private channel to every one of them.
 * With fewer threads than CPUs the last CPUs would queue for ever behind those that wait for them; with the pool's default way of
 * waiting for tasks, answers on the channels would never be sent.
 * Next: entry/cpu_main.ts is the other side.
 */
import { once } from 'node:events';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { type Endpoint, type Remote, wrap } from 'comlink';
import { Piscina } from 'piscina';
import type { CpuTask } from './entry/cpu_main.ts';
import { CpuError } from './errors.ts';
import { heapLimits } from './thread_heap.ts';
import type { CpuControl } from './work.ts';

/** What all threads of a pool are started with; the rest of a task is each CPU's own. */
export type CommonTask = Omit<CpuTask, 'id' | 'control'>;

/** One CPU's thread, seen from outside. */
export interface CpuThread {
  readonly cpu: number;
  /** Sends a request and waits for the answer. Rejects with a CpuError as soon as the thread is dead, instead of never. */
  call<T>(request: (control: Remote<CpuControl>) => Promise<T>): Promise<T>;
}

export class CpuPool {
  readonly threads: readonly CpuThread[];
  readonly #pool: Piscina<CpuTask, void>;
  readonly #tasks: Promise<void>[] = [];
  readonly #ports: { close(): void }[] = [];
  #ending = false;

  constructor(cpus: number, heapMb: number, common: CommonTask) {
    this.#pool = new Piscina<CpuTask, void>({
      filename: new URL('./entry/cpu_main.js', import.meta.url).href,
      minThreads: cpus,
      maxThreads: cpus,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: heapLimits(heapMb),
    });
    // A thread that dies reports through its task; without a listener the event would end the process.
    this.#pool.on('error', () => {});
    this.threads = Array.from({ length: cpus }, (_, cpu) => this.#start(cpu, common));
  }

  /** The workers themselves, in no particular order; to find out who is alive. */
  get workers(): readonly Worker[] {
    return this.#pool.threads;
  }

  /** Ends the tasks politely if they still answer, then the threads. When it settles, no thread is left. */
  async close(politeMs: number): Promise<void> {
    this.#ending = true;
    const polite = Promise.allSettled(this.threads.map((thread) => thread.call((control) => control.end())));
    if (politeMs > 0) await Promise.race([polite.then(() => Promise.allSettled(this.#tasks)), pause(politeMs)]);
    const exits = this.#pool.threads.map((worker) => once(worker, 'exit'));
    await this.#pool.destroy();
    await Promise.all(exits);
    for (const port of this.#ports) port.close();
  }

  #start(cpu: number, common: CommonTask): CpuThread {
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1);
    const task = this.#pool.run({ ...common, id: cpu, control: port2 }, { transferList: [port2] });
    this.#tasks.push(task);
    const control = wrap<CpuControl>(port1 as unknown as Endpoint);
    const calls = new Calls();
    task.then(
      () => {
        if (!this.#ending) calls.failAll(new CpuError(cpu, 'ended before it was told to.'));
      },
      (cause: unknown) => calls.failAll(new CpuError(cpu, `died: ${causeOf(cause)}`, { cause })),
    );
    return { cpu, call: (request) => calls.add(() => request(control)) };
  }
}

/**
 * The calls to one thread that are not answered yet. Its death ends them, and every later one. A race of each call with one promise of the death would keep
 * every answer for as long as the thread lives.
 */
class Calls {
  readonly #waiting = new Set<(death: CpuError) => void>();
  #death: CpuError | undefined;

  async add<T>(request: () => Promise<T>): Promise<T> {
    if (this.#death !== undefined) throw this.#death;
    return await new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      request()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  failAll(death: CpuError): void {
    this.#death = death;
    for (const fail of this.#waiting) fail(death);
    this.#waiting.clear();
  }
}

/** A sentence for the ways in which a worker thread can end. */
function causeOf(cause: unknown): string {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'its thread ran out of memory (raise heapMb if the work needs it).';
  const text = String(message ?? cause);
  if (/terminat|exit/i.test(text)) return `its thread ended in the middle of its work (${text.replace(/\.$/, '')}).`;
  return text;
}

/** Does not keep the process alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

/** A thread of lru.worker.ts: one machine, which sweeps when told. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { LruSweep, LruWorkerData } from './lru.worker.ts';

export class LruThread {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(workerData: LruWorkerData): Promise<LruThread> {
    const worker = new Worker(new URL('./lru.worker.js', import.meta.url), { workerData });
    await once(worker, 'message');
    return new LruThread(worker);
  }

  /** @returns nanoseconds per page */
  async sweep(kind: LruSweep): Promise<number> {
    this.#worker.postMessage(kind);
    const [ns] = (await once(this.#worker, 'message')) as [number];
    return ns;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

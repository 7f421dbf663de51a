/**
 * A thread with an address space of its own that faults in its large area on request, and says how long a fault took.
 * Next: fault_thread.worker.ts
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export type Access = 'read' | 'write';

export interface SweepRequest {
  readonly access: Access;
  readonly pages: number;
}

export class FaultThread {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** @returns when the areas are mapped */
  static async start(areas: number): Promise<FaultThread> {
    const worker = new Worker(new URL('./fault_thread.worker.js', import.meta.url), { workerData: areas });
    await once(worker, 'message');
    return new FaultThread(worker);
  }

  /** Empties the area, then touches that many pages. @returns nanoseconds per fault */
  async sweep(access: Access, pages: number): Promise<number> {
    this.#worker.postMessage({ access, pages } satisfies SweepRequest);
    const [ns] = (await once(this.#worker, 'message')) as [number];
    return ns;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

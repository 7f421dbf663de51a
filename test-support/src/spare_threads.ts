/**
 * Threads that have come back from a run with nothing left to do, for the next run: most of the time of a short run is the start of its threads. They
 * keep no process alive. A thread that threw, left early or still has something going is never spared.
 * Next: run_threads.ts takes and spares them; thread_watch.ts does not count them as left behind
 */
import { Worker } from 'node:worker_threads';

/** More threads than that are ended. */
const SPARES_MAX = 8;

const spares: Worker[] = [];

/** @returns a thread that waits for an order (thread_main.ts) */
export function takeThread(): Worker {
  const spare = spares.pop();
  if (spare === undefined) return startThread();
  spare.ref();
  return spare;
}

/** The thread waits for its next order, or is ended when there are enough. It has no listeners of its run any more. */
export async function spareThread(worker: Worker): Promise<void> {
  if (spares.length >= SPARES_MAX) {
    await worker.terminate();
    return;
  }
  worker.unref();
  spares.push(worker);
}

export const isSpare = (worker: Worker): boolean => spares.includes(worker);

function startThread(): Worker {
  const worker = new Worker(new URL('./thread_main.js', import.meta.url));
  worker.once('exit', () => {
    const at = spares.indexOf(worker);
    if (at >= 0) spares.splice(at, 1);
  });
  return worker;
}

/**
 * Knows every worker thread that this process started and that still lives, piscina's included.
 * Node tells of each new thread by the process event 'worker', so nothing has to be patched.
 * Next: suite.ts asks it after every test.
 */

import type { Worker } from 'node:worker_threads';
import { isSpare } from './spare_threads.ts';

/** A thread that was told to end needs a moment; one that nobody told to end gets no more than this. */
const GRACE_MS = 2_000;

const alive = new Set<Worker>();

process.on('worker', (worker: Worker) => {
  alive.add(worker);
  worker.once('exit', () => alive.delete(worker));
});

/** The threads alive now. Take it before a test and hand it to `endThreadsSince` after it. */
export function threadsAlive(): ReadonlySet<Worker> {
  return new Set(alive);
}

/**
 * Waits a short grace for the threads started since `before` to exit, terminates those that did not, and returns
 * how many had to be terminated. Two seconds at most, plus the time of the terminations.
 */
export async function endThreadsSince(before: ReadonlySet<Worker>): Promise<number> {
  await new Promise(setImmediate); // the event of a thread started just now arrives in the next tick
  const mine = [...alive].filter((worker) => !before.has(worker) && !isSpare(worker));
  if (mine.length === 0) return 0;
  await graceFor(mine);
  const leaked = mine.filter((worker) => alive.has(worker));
  await Promise.all(leaked.map((worker) => worker.terminate()));
  return leaked.length;
}

/** Settles when all have exited, or after the grace. Its timer keeps the process alive, which idle pool threads do not. */
function graceFor(workers: readonly Worker[]): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GRACE_MS);
    const exits = workers.map((worker) => new Promise((exited) => worker.once('exit', exited)));
    void Promise.all(exits).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Runs one compiled module on several raw worker threads and collects what they return. When it settles no thread is at work any more, whatever
 * happened: those that came back wait for the next run, all others are gone.
 * Next: thread_main.ts is the other side, spare_threads.ts keeps who waits.
 */

import type { TransferListItem, Worker } from 'node:worker_threads';
import { asError } from './as_error.ts';
import { spareThread, takeThread } from './spare_threads.ts';
import type { ThreadOrder, ThreadReply } from './thread_main.ts';
import { within } from './within.ts';

const DEADLINE_MS = 8_000;

export interface ThreadsOptions<Data> {
  /** The compiled module: `new URL('./x.worker.js', import.meta.url)`. Its default export is called once per thread. */
  readonly module: URL;
  /** How many threads. They all run at the same time. */
  readonly count: number;
  /** What the default export of thread `index` is called with. Shared memory is shared, everything else copied. */
  readonly data?: (index: number) => Data;
  /** What is moved to thread `index` instead of copied: message ports, for example. */
  readonly transfer?: (index: number) => readonly TransferListItem[];
  /** Milliseconds for all threads together, their start included. 8,000 when not given. */
  readonly deadlineMs?: number;
}

/**
 * Returns the results in the order of the threads. Rejects with an Error, and only an Error, when a thread throws,
 * exits early or cannot be started (its index is in the message), or when the deadline passes (the message names
 * the threads that had not finished).
 */
export async function runThreads<Result, Data = unknown>(options: ThreadsOptions<Data>): Promise<Result[]> {
  const { module, count, deadlineMs = DEADLINE_MS } = options;
  const workers: Worker[] = [];
  const unfinished = new Set<number>();
  const idle = new Set<Worker>();
  try {
    const results: Promise<Result>[] = [];
    for (let index = 0; index < count; index++) {
      const worker = start(options, index);
      workers.push(worker);
      unfinished.add(index);
      results.push(resultOf<Result>(worker, index, idle).finally(() => unfinished.delete(index)));
    }
    const missing = (): string => `thread(s) ${[...unfinished].join(', ')} of ${module.pathname.split('/').at(-1)}`;
    return await within(deadlineMs, missing, Promise.all(results));
  } finally {
    await Promise.all(workers.map((worker) => (idle.has(worker) ? spareThread(worker) : worker.terminate())));
  }
}

function start<Data>(options: ThreadsOptions<Data>, index: number): Worker {
  const order: ThreadOrder = { module: options.module.href, data: options.data?.(index) };
  const worker = takeThread();
  worker.postMessage(order, [...(options.transfer?.(index) ?? [])]);
  return worker;
}

/** @param idle gets the thread when it has come back with nothing left to do */
function resultOf<Result>(worker: Worker, index: number, idle: Set<Worker>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: unknown): void => {
      const error = asError(thrown);
      error.message = `thread ${index}: ${error.message}`;
      reject(error);
    };
    const left = (code: number): void => fail(new Error(`exited with code ${code} before it returned`));
    worker.once('message', (reply: ThreadReply) => {
      for (const event of ['error', 'messageerror']) worker.off(event, fail);
      worker.off('exit', left);
      if (reply.outcome !== 'returned') {
        fail(reply.error);
        return;
      }
      if (reply.idle) idle.add(worker);
      resolve(reply.value as Result);
    });
    worker.once('error', fail);
    worker.once('messageerror', fail);
    worker.once('exit', left);
  });
}

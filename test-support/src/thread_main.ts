/**
 * What a thread of runThreads executes, order after order: it loads the module that the test named, calls its default export, and
 * sends back the result or the error as plain data (an error that crosses threads as it is may not be an Error there).
 * Next: run_threads.ts, which reads the reply.
 */

import { isMainThread, parentPort } from 'node:worker_threads';
import { asError } from './as_error.ts';

/** The work of one thread. */
export interface ThreadOrder {
  readonly module: string;
  readonly data: unknown;
}

export type ThreadReply =
  /** `idle`: the call has left nothing going on in the thread, no timer for example. */
  | { readonly outcome: 'returned'; readonly value: unknown; readonly idle: boolean }
  | { readonly outcome: 'threw'; readonly error: { readonly name: string; readonly message: string; readonly stack: string } };

async function obey(order: ThreadOrder, send: (reply: ThreadReply) => void): Promise<void> {
  try {
    const loaded = (await import(order.module)) as { readonly default?: unknown };
    if (typeof loaded.default !== 'function') throw new Error(`${order.module} has no default export that is a function`);
    const atRest = process.getActiveResourcesInfo().length;
    const value = await loaded.default(order.data);
    send({ outcome: 'returned', value, idle: process.getActiveResourcesInfo().length <= atRest });
  } catch (thrown) {
    const { name, message, stack = '' } = asError(thrown);
    send({ outcome: 'threw', error: { name, message, stack } });
  }
}

if (isMainThread || parentPort === null) throw new Error('thread_main runs only as a thread of runThreads');
const port = parentPort;
port.on('message', (order: ThreadOrder) => void obey(order, (reply) => port.postMessage(reply)));

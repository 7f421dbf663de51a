/**
 * The thread in which an adapter is loaded for the first time, with a lock of its own: what kind of lock it is, and whether it takes the Atomics
 * that it is given. It may hang here, and nothing else hangs with it.
 * Next: probe.ts is the other side
 */
import { parentPort, workerData } from 'node:worker_threads';
import { UsageError } from '@faultlab/core/base/errors';
import type { StepGate } from '@faultlab/core/memory/step_gate';
import { kindOf, loadAdapter } from './adapter.ts';
import { waysOf } from './participant.ts';
import { sharedMemories } from './shared_memories.ts';
import type { AdapterPlace, ProbeAnswer } from './torture_order.ts';
import { countingAtomics } from './turn_atomics.ts';

const { href, where, threads } = workerData as AdapterPlace & { readonly threads: number };

async function probe(): Promise<ProbeAnswer> {
  const adapter = await loadAdapter(href, where);
  const shared = adapter.create(threads);
  sharedMemories(shared, where);
  const counted = countingAtomics();
  let steps = 0;
  // Asked for, it counts; as a gate it would have to do what it is asked.
  const gate = (words: Int32Array): StepGate => ({
    step: () => void steps++,
    park: () => 1,
    unpark: (_cpu, word, count) => Atomics.notify(words, word, count),
  });
  const lock = adapter.attach(shared, { index: 0, threads, atomics: counted.atomics, now: () => performance.now(), gate });
  const kind = kindOf(lock, where);
  const { read, write } = waysOf(lock);
  for (const way of read === undefined ? [write] : [write, read]) {
    way.lock();
    way.unlock();
  }
  return { name: adapter.name, kind, tries: write.try !== undefined, steps: counted.count() + steps };
}

try {
  parentPort?.postMessage(await probe());
} catch (error) {
  const why = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
  const refused = error instanceof UsageError ? error.message : `The lock of ${where} cannot be used (${why}); correct it and try again.`;
  parentPort?.postMessage({ refused });
}

/**
 * Runs a module on several threads that start together, each on its own CPU of one memory. The threads are fresh, so the code they run has
 * seen no other lock: what is measured is what a program with one kind of lock gets.
 * Next: gang.worker.ts
 */
import { Worker } from 'node:worker_threads';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type MemoryHandle, type SharedMemory } from '@faultlab/core/memory/shared_memory';

export interface GangOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly threads: number;
  /** Name of the work in works.ts. */
  readonly work: string;
  readonly ms: number;
}

export interface GangReply {
  readonly operations: number;
  readonly ms: number;
  /** Work-specific: the longest wait, for example. */
  readonly extra: number;
}

export interface GangResult {
  readonly memory: SharedMemory;
  readonly replies: readonly GangReply[];
  /** Processor time that the process got, in CPUs: below the number of threads it was held up by others. */
  readonly cpus: number;
}

/** Word of the user region where the threads gather; the first 1024 words are the work's. */
export const GATHER_WORD = 1024;
/** How long a gang may be late before something is wrong. */
const GRACE_MS = 20_000;

/** Room for locks and nothing else. */
const lockMemory = (threads: number): SharedMemory => createMemory({ ...LOCKS_ONLY_SIZE, cpus: threads, userWords: 2048 });

/** @param memory a memory that the caller has prepared, with 2048 user words; otherwise a fresh one with room for locks */
export async function runGang(work: string, threads: number, ms: number, memory: SharedMemory = lockMemory(threads)): Promise<GangResult> {
  const usage = process.cpuUsage();
  const since = performance.now();
  const workers = Array.from({ length: threads }, (_, cpu) => {
    const order: GangOrder = { handle: memory.handle, cpu, threads, work, ms };
    return new Worker(new URL('./gang.worker.js', import.meta.url), { workerData: order });
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const replies = workers.map(replyOf);
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the threads of '${work}' have not finished after ${ms + GRACE_MS} ms`)), ms + GRACE_MS);
    });
    const done = await Promise.race([Promise.all(replies), late]);
    const { user, system } = process.cpuUsage(usage);
    return { memory, replies: done, cpus: (user + system) / 1000 / (performance.now() - since) };
  } finally {
    clearTimeout(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function replyOf(worker: Worker): Promise<GangReply> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread of the gang ended with code ${code}`)));
  });
}

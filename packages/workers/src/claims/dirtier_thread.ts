/**
 * Measures on a fresh thread: what the compiler has seen of one policy makes the code of another slower, for as long as the thread lives.
 * Next: dirtier_main.ts
 */
import { Worker } from 'node:worker_threads';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { Dirtied } from './dirtier.ts';

const MODULE = new URL('./dirtier_main.js', import.meta.url);
/** A hundred times as long as it takes. */
const DEADLINE_MS = 120_000;

export function dirtiedOnThread(policy: FaultPolicy): Promise<Dirtied> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(MODULE, { workerData: policy });
    const timer = setTimeout(() => end(() => reject(new Error('The thread that measures a page of shmem does not answer.'))), DEADLINE_MS);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
      void thread.terminate();
    };
    thread.once('message', (dirtied: Dirtied) => end(() => resolve(dirtied)));
    thread.once('error', (error) => end(() => reject(error)));
    thread.once('exit', (code) => end(() => reject(new Error(`The thread that measures a page of shmem ended with exit code ${code}.`))));
  });
}

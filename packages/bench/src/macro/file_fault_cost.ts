/**
 * What a fault on a page of a file costs that is in the page cache: nobody waits for a device. The sides take turns on one thread.
 * Next: file_fault.worker.ts
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Benchmark } from '../benchmark.ts';
import type { FileSweep } from './file_fault.worker.ts';

const ROUNDS = 25;
const WARM_UP = 4;
const NS_TARGET = 1_500;

interface Side {
  readonly sweep: FileSweep;
  readonly task: string;
  readonly judged: boolean;
}

const SIDES: readonly Side[] = [
  { sweep: 'read', task: 'resident file read fault, fault-around off', judged: true },
  { sweep: 'read-around', task: 'resident file read fault that maps 16 pages, per fault', judged: false },
  { sweep: 'shared-write', task: 'resident shared write fault', judged: true },
  { sweep: 'write-protected', task: 'write-protect fault on a clean shared page', judged: false },
  { sweep: 'private-write', task: 'private write fault, copied', judged: false },
];

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

export const fileFaultCost: Benchmark = {
  name: 'file_fault_cost',
  question: 'what does an uncontended fault on a page of a file cost when the page is in memory?',
  run: async (smoke) => {
    const worker = new Worker(new URL('./file_fault.worker.js', import.meta.url), { workerData: smoke ? 64 : 4096 });
    await once(worker, 'message');
    const ns = SIDES.map((): number[] => []);
    try {
      for (let round = 0; round < (smoke ? 2 : ROUNDS + WARM_UP); round++) {
        for (const [side, { sweep }] of SIDES.entries()) {
          worker.postMessage(sweep);
          const [measured] = (await once(worker, 'message')) as [number];
          if (smoke || round >= WARM_UP) ns[side]?.push(measured);
        }
      }
    } finally {
      await worker.terminate();
    }
    return SIDES.map(({ task, judged }, side) => {
      const value = median(ns[side] as number[]);
      return judged ? { task, value, unit: 'ns', target: `<= ${NS_TARGET}`, met: value <= NS_TARGET } : { task, value, unit: 'ns' };
    });
  },
};

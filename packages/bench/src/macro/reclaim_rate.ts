/**
 * How fast one CPU frees clean pages of the page cache, asking for 32 at a time as a task does that is short of memory. Filling the cache is not counted.
 * Next: lru.worker.ts
 */
import type { Benchmark } from '../benchmark.ts';
import type { LruSweep } from './lru.worker.ts';
import { LruThread, median } from './lru_thread.ts';

const PAGES = 8192;
const ROUNDS = 25;
const WARM_UP = 5;
const RATE_TARGET = 200_000;
const NS_PER_SECOND = 1e9;

const TASKS: readonly { readonly sweep: LruSweep; readonly task: string; readonly judged: boolean }[] = [
  { sweep: 'reclaim', task: 'clean pages of a file freed', judged: true },
  { sweep: 'reclaim-mapped', task: 'clean pages of a file that are mapped once freed', judged: false },
];

export const reclaimRate: Benchmark = {
  name: 'reclaim_rate',
  question: 'how many clean pages does one CPU free in a second?',
  run: async (smoke) => {
    const machine = await LruThread.start({ pages: smoke ? 128 : PAGES, lru: 1, memcg: true });
    const rates = TASKS.map((): number[] => []);
    try {
      for (let round = 0; round < (smoke ? 2 : ROUNDS + WARM_UP); round++) {
        for (const [task, { sweep }] of TASKS.entries()) {
          const ns = await machine.sweep(sweep);
          if (smoke || round >= WARM_UP) rates[task]?.push(NS_PER_SECOND / ns);
        }
      }
    } finally {
      await machine.end();
    }
    return TASKS.map(({ task, judged }, index) => {
      const value = median(rates[index] ?? []);
      const row = { task, value, unit: 'pages/s' };
      return judged ? { ...row, target: `>= ${RATE_TARGET}`, met: value >= RATE_TARGET } : row;
    });
  },
};

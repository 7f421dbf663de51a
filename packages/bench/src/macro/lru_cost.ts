/**
 * What reclaim by age adds to a fault that waits for nothing: the same sweeps on machines with it off, on, and on with a memory cgroup. Each machine has
 * a thread of its own, and they take turns.
 * Next: lru.worker.ts
 */
import type { Benchmark, Row } from '../benchmark.ts';
import type { LruSweep } from './lru.worker.ts';
import { LruThread, median } from './lru_thread.ts';

const PAGES = 4096;
const ROUNDS = 31;
const WARM_UP = 6;
const RATIO_TARGET = 1.2;

interface Task {
  readonly sweep: LruSweep;
  readonly name: string;
  readonly judged: boolean;
}

const TASKS: readonly Task[] = [
  { sweep: 'read', name: 'fault on a page in the page cache', judged: true },
  { sweep: 'write', name: 'anonymous write fault', judged: true },
  { sweep: 'cycle', name: 'anonymous write fault and unmapping', judged: false },
];

export const lruCost: Benchmark = {
  name: 'lru_cost',
  question: 'what does reclaim by age add to the cost of a fault?',
  run: async (smoke) => {
    const pages = smoke ? 64 : PAGES;
    const machines = [
      await LruThread.start({ pages, lru: 0, memcg: false }),
      await LruThread.start({ pages, lru: 1, memcg: false }),
      await LruThread.start({ pages, lru: 1, memcg: true }),
    ];
    const ns = TASKS.map(() => machines.map((): number[] => []));
    try {
      for (let round = 0; round < (smoke ? 2 : ROUNDS + WARM_UP); round++) {
        for (const [task, { sweep }] of TASKS.entries()) {
          for (const [side, machine] of machines.entries()) {
            const measured = await machine.sweep(sweep);
            if (smoke || round >= WARM_UP) ns[task]?.[side]?.push(measured);
          }
        }
      }
    } finally {
      await Promise.all(machines.map((machine) => machine.end()));
    }
    return TASKS.flatMap((task, index) => rowsOf(task, (ns[index] ?? []).map(median)));
  },
};

function rowsOf({ name, judged }: Task, [off = Number.NaN, on = Number.NaN, charged = Number.NaN]: readonly number[]): Row[] {
  const ratio = on / off;
  const target = judged ? { target: `<= ${RATIO_TARGET}`, met: ratio <= RATIO_TARGET } : {};
  return [
    { task: `${name}, off`, value: off, unit: 'ns' },
    { task: `${name}, on`, value: on, unit: 'ns' },
    { task: `${name}, on / off`, value: ratio, unit: 'x', ...target },
    { task: `${name}, on and charged to a cgroup / off`, value: charged / off, unit: 'x' },
  ];
}

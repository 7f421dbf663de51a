/**
 * What a thread of a gang does, and the benchmark that runs it on 1, 2 and 4 threads.
 * Next: works.ts lists all
 */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu, RcuCallback } from '@faultlab/core/cpu';
import { readLockStat } from '@faultlab/core/locking/lock_stat';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { Benchmark, Row } from './benchmark.ts';
import { type GangResult, runGang } from './gang.ts';

export interface WorkContext {
  readonly cpu: Cpu;
  /** First of 1024 zero words that all threads share. */
  readonly base: Word;
  readonly thread: number;
  readonly threads: number;
  /** When to stop, on performance.now(). */
  readonly until: number;
}

export interface Work {
  readonly name: string;
  readonly run: (context: WorkContext) => { readonly operations: number; readonly extra?: number };
  readonly rcuCallbacks?: readonly RcuCallback[];
}

/** Operations between two looks at the clock. */
const BATCH = 256;

/** Repeats a batch until the time is over. `batch` does that many operations. @returns how many were done */
export function repeatUntil(until: number, batch: (operations: number) => void): number {
  let operations = 0;
  while (performance.now() < until) {
    batch(BATCH);
    operations += BATCH;
  }
  return operations;
}

/** Operations per second of all threads together, in millions. */
export function millionsPerSecond({ replies }: GangResult): number {
  return replies.reduce((sum, reply) => sum + reply.operations / reply.ms, 0) / 1000;
}

const DEFAULT_THREADS: readonly number[] = [1, 2, 4];

/** A benchmark that runs each work on several numbers of threads. */
export function throughputBenchmark(
  name: string,
  question: string,
  works: readonly Work[],
  threads: readonly number[] = DEFAULT_THREADS,
  memoryFor?: (threads: number) => SharedMemory,
): Benchmark {
  return {
    name,
    question,
    run: async (smoke) => {
      const rows: Row[] = [];
      for (const work of works) {
        for (const count of smoke ? threads.slice(0, 2) : threads) {
          const result = await runGang(work.name, count, smoke ? 5 : 400, memoryFor?.(count));
          rows.push({
            task: `${work.name}, ${count} threads`,
            value: millionsPerSecond(result),
            unit: 'Mops/s',
            detail: detailOf(result, count),
          });
        }
      }
      return rows;
    },
  };
}

/** Slow paths per operation, CPU time received, and whether the machine can run that many threads at once. */
function detailOf(result: GangResult, threads: number): string {
  const stats = readLockStat(result.memory);
  const sum = (of: 'acquisitions' | 'contentions'): number => stats.reduce((total, row) => total + row[of], 0);
  const slow = sum('acquisitions') === 0 ? '' : `, ${(sum('contentions') / sum('acquisitions')).toFixed(4)} slow paths per op`;
  const fairness = threads === 1 ? '' : `, slowest thread ${share(result)} % of its share`;
  return `${result.cpus.toFixed(2)} CPUs received${slow}${fairness}`;
}

function share({ replies }: GangResult): number {
  const mean = replies.reduce((sum, reply) => sum + reply.operations, 0) / replies.length;
  return Math.round((100 * Math.min(...replies.map((reply) => reply.operations))) / Math.max(mean, 1));
}

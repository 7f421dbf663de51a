/**
 * What a benchmark is: a name, a question, and a function that returns rows. Every benchmark has a smoke form, which is quick and whose
 * numbers mean nothing.
 * Next: benchmarks.ts lists them all
 */
import { Bench } from 'tinybench';

/** One number, or a few of one measurement. */
export interface Row {
  readonly task: string;
  readonly value: number;
  readonly unit: string;
  readonly p99?: number;
  readonly max?: number;
  /** What else was counted: slow paths, CPU time received, samples. */
  readonly detail?: string;
  /** In words, such as "<= 1.5", and whether the value meets it. Without `met` it could not be judged: the machine was busy. */
  readonly target?: string;
  readonly met?: boolean;
}

export interface Benchmark {
  readonly name: string;
  readonly question: string;
  readonly run: (smoke: boolean) => Promise<Row[]>;
}

/** A task's measured batch: the time of one operation, and of the whole batch. */
export interface Batch {
  readonly overriddenDuration: number;
  readonly overriddenIterationCost: number;
}

const MS_TO_NS = 1e6;

/** Times a batch of operations as one sample. Nothing below a microsecond is timed alone. */
export function timed(operations: number, batch: () => void): Batch {
  const before = performance.now();
  batch();
  const tookMs = performance.now() - before;
  return { overriddenDuration: tookMs / operations, overriddenIterationCost: tookMs };
}

/** A benchmark of one thread, from a function that adds tinybench tasks whose samples are batches. */
export function latencyBenchmark(name: string, question: string, add: (bench: Bench, smoke: boolean) => void): Benchmark {
  return {
    name,
    question,
    run: async (smoke) => {
      const bench = new Bench({ name, time: smoke ? 2 : 400, iterations: smoke ? 2 : 30, warmupTime: smoke ? 1 : 100, throws: true });
      add(bench, smoke);
      await bench.run();
      return bench.tasks.map((task) => {
        if (!('latency' in task.result)) throw new Error(`${name}: the task '${task.name}' did not finish`);
        const { p50, p99, max, samplesCount } = task.result.latency;
        const ns = (ms: number): number => ms * MS_TO_NS;
        return { task: task.name, value: ns(p50), unit: 'ns', p99: ns(p99), max: ns(max), detail: `${samplesCount} samples` };
      });
    },
  };
}

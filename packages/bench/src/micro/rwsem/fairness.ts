/**
 * One writer against three readers that hold the lock for 200 microseconds each and overlap all the time: does the writer starve?
 * A lock that lets readers in whenever readers hold it gives the writer one turn in two seconds here.
 * The targets are for readers that sleep while they hold the lock. Readers that compute keep the processors busy, and the last of them is
 * back for the next section before the woken writer runs; so the writer waits its 4 ms and then demands the lock, every time.
 */
import { down_read, down_write, up_read, up_write } from '@faultlab/core/locking/rwsem';
import { RWSEM_WAIT_TIMEOUT_MS } from '@faultlab/core/locking/rwsem_word';
import type { Benchmark, Row } from '../../benchmark.ts';
import { runGang } from '../../gang.ts';
import type { Work, WorkContext } from '../../work.ts';

const READERS = 3;
const HOLD_MS = 0.2;
const RUN_MS = 2000;
const SMOKE_MS = 20;
/** Acquisitions of the writer in RUN_MS. */
const LEAST = 1000;
/** Words of the user region nobody writes: a reader sleeps on its own for the time that it holds the lock. */
const PILLOW = 512;

const SLEEPING = 'one writer, readers that sleep';

export const fairnessWorks: readonly Work[] = [
  {
    name: 'one writer, readers that sleep',
    run: (context) => (context.thread === 0 ? writer(context) : reader(context, sleepOn(context))),
  },
  { name: 'one writer, readers that compute', run: (context) => (context.thread === 0 ? writer(context) : reader(context, compute)) },
];

function writer({ cpu, base, until }: WorkContext): { operations: number; extra: number } {
  let operations = 0;
  let longestMs = 0;
  for (let before = performance.now(); before < until; before = performance.now()) {
    down_write(cpu, base);
    longestMs = Math.max(longestMs, performance.now() - before);
    operations++;
    up_write(cpu, base);
  }
  return { operations, extra: longestMs };
}

function reader({ cpu, base, until }: WorkContext, hold: () => void): { operations: number } {
  let operations = 0;
  while (performance.now() < until) {
    down_read(cpu, base);
    hold();
    up_read(cpu, base);
    operations++;
  }
  return { operations };
}

function sleepOn({ cpu, base, thread }: WorkContext): () => void {
  return () => void Atomics.wait(cpu.words, base + PILLOW + thread * 16, 0, HOLD_MS);
}

function compute(): void {
  for (const end = performance.now() + HOLD_MS; performance.now() < end; );
}

export const rwsemFairness: Benchmark = {
  name: 'rwsem/fairness',
  question: 'does a writer starve behind overlapping readers?',
  run: async (smoke) => {
    const ms = smoke ? SMOKE_MS : RUN_MS;
    const rows: Row[] = [];
    for (const { name } of fairnessWorks) {
      const { replies, cpus } = await runGang(name, READERS + 1, ms);
      const [mine, ...theirs] = replies;
      const operations = mine?.operations ?? 0;
      const longestMs = mine?.extra ?? 0;
      const sections = theirs.reduce((sum, reply) => sum + reply.operations, 0);
      const detail = `${sections} reads meanwhile, ${cpus.toFixed(2)} CPUs received`;
      const count: Row = { task: `${name}: acquisitions in ${ms} ms`, value: operations, unit: '', detail };
      const wait: Row = { task: `${name}: longest wait`, value: longestMs, unit: 'ms' };
      const least = LEAST * (ms / RUN_MS);
      const most = 3 * RWSEM_WAIT_TIMEOUT_MS;
      if (name === SLEEPING) {
        rows.push({ ...count, target: `>= ${least}`, met: operations >= least });
        rows.push({ ...wait, target: `<= ${most} ms`, met: longestMs <= most });
      } else {
        rows.push(count, wait);
      }
    }
    return rows;
  },
};

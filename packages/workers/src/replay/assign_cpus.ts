/**
 * Which CPU runs which threads of a trace: one each, as long as there are enough. A trace of many short processes shares CPUs between
 * threads whose lives do not overlap, in the order in which they lived, so that no CPU waits for a thread that comes after it.
 * Next: replay_plan.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import type { Order } from '../perf_script/order.ts';
import type { Timeline } from '../perf_script/timeline.ts';

/** More threads than this share CPUs where they can: a CPU is a thread of this process, with a heap of its own. */
export const CPUS_OF_THEIR_OWN = 64;

/**
 * @returns for each CPU the threads that it runs, one after the other
 * @throws UsageError when more threads are alive at once than a machine has CPUs
 */
export function assignCpus(timeline: Timeline, order: Order, ownMax: number = CPUS_OF_THEIR_OWN): number[][] {
  const { threads, ops } = timeline;
  if (threads.length <= ownMax) return threads.map((_, thread) => [thread]);
  const first = new Float64Array(threads.length).fill(Number.POSITIVE_INFINITY);
  const last = new Float64Array(threads.length).fill(-1);
  order.effects.order.forEach((op, position) => {
    const thread = ops.thread[op] as number;
    first[thread] = Math.min(first[thread] as number, position);
    last[thread] = position;
  });
  const byStart = threads.map((_, thread) => thread).sort((a, b) => (first[a] as number) - (first[b] as number));
  const cpus: { readonly threads: number[]; free: number }[] = [];
  for (const thread of byStart) {
    const idle = cpus.find(({ free }) => free < (first[thread] as number));
    if (idle === undefined) cpus.push({ threads: [thread], free: last[thread] as number });
    else {
      idle.threads.push(thread);
      idle.free = Math.max(idle.free, last[thread] as number);
    }
  }
  if (cpus.length > CPUS_MAX) {
    throw new UsageError(
      `The trace has ${cpus.length} threads alive at the same time, and a machine has at most ${CPUS_MAX} CPUs; record a smaller program.`,
    );
  }
  return cpus.map((cpu) => cpu.threads);
}

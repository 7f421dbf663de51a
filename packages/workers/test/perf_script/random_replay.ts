/** Runs a trace's threads in a random order that respects their waits, one operation at a time. */

import type { Order } from '@faultlab/workers/perf_script/order';
import type { Timeline } from '@faultlab/workers/perf_script/timeline';

/** A small generator of numbers; the same seed gives the same run. */
export function randomFrom(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Calls `run` once for every operation. Throws when the waits do not let all threads finish. */
export function replayInRandomOrder(timeline: Timeline, order: Order, random: (below: number) => number, run: (op: number) => void): void {
  const done = timeline.threads.map(() => 0);
  const ready = (thread: number): boolean => {
    const waits = order.waits[thread] as Order['waits'][number];
    const seq = done[thread] as number;
    for (let index = waits.start[seq] as number; index < (waits.start[seq + 1] as number); index++) {
      if ((done[waits.thread[index] as number] as number) < (waits.count[index] as number)) return false;
    }
    return true;
  };
  let unfinished = timeline.threads.flatMap(({ ops }, index) => (ops.length > 0 ? [index] : []));
  while (unfinished.length > 0) {
    const first = random(unfinished.length);
    const rotated = [...unfinished.slice(first), ...unfinished.slice(0, first)];
    const thread = rotated.find(ready);
    if (thread === undefined) throw new Error(`threads ${unfinished.join(', ')} wait for each other`);
    const ops = (timeline.threads[thread] as Timeline['threads'][number]).ops;
    // A few operations at a time, so that threads get far apart from each other.
    for (let left = 1 + random(8); left > 0 && (done[thread] as number) < ops.length && ready(thread); left--) {
      run(ops[done[thread] as number] as number);
      done[thread] = (done[thread] as number) + 1;
    }
    if (done[thread] === ops.length) unfinished = unfinished.filter((other) => other !== thread);
  }
}

/**
 * Two sides of a comparison, each with a few threads of its own that fault when asked to, strictly in turns: noise of the host falls on both alike,
 * and no thread has seen code of the other side. Several threads a side, because a compiler's luck differs from thread to thread; short sweeps, of
 * which the lower quarter counts, because a sweep that the host interrupted says nothing about the code.
 * Next: fault_side.worker.ts is a thread
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface Side {
  /** Where the module of the thread is. */
  readonly worker: URL;
  readonly verify: boolean;
}

export interface SweepsRequest {
  readonly pages: number;
  readonly count: number;
}

export interface Compared {
  /** Nanoseconds of a fault on each side: the median over its threads. */
  readonly first: number;
  readonly second: number;
  readonly ratio: number;
  /** Ratios of the pairs of threads, the smallest and the largest. */
  readonly least: number;
  readonly most: number;
  readonly sweeps: number;
}

export const WORKER: URL = new URL('./fault_side.worker.js', import.meta.url);
const PAIRS = 5;
const WARM_UP = 8;
const REQUEST: SweepsRequest = { pages: 256, count: 16 };
const QUICK: SweepsRequest = { pages: 16, count: 2 };

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;

async function start({ worker, verify }: Side): Promise<Worker> {
  const thread = new Worker(worker, { workerData: { verify } });
  await once(thread, 'message');
  return thread;
}

async function sweeps(worker: Worker, request: SweepsRequest): Promise<readonly number[]> {
  worker.postMessage(request);
  const [times] = (await once(worker, 'message')) as [readonly number[]];
  return times;
}

/** Nanoseconds of a fault of the two threads of a pair, in turns. */
async function comparePair(sides: readonly [Side, Side], rounds: number, request: SweepsRequest): Promise<readonly [number, number]> {
  const workers: Worker[] = [];
  try {
    for (const side of sides) workers.push(await start(side));
    const [one, two] = workers as [Worker, Worker];
    const [ones, twos]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds + WARM_UP; round++) {
      const [a, b] = [await sweeps(one, request), await sweeps(two, request)];
      if (round < WARM_UP) continue;
      ones.push(...a);
      twos.push(...b);
    }
    return [quantile(ones, 0.25), quantile(twos, 0.25)];
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

export async function compareSides(first: Side, second: Side, rounds: number, smoke = false): Promise<Compared> {
  const request = smoke ? QUICK : REQUEST;
  const pairs: (readonly [number, number])[] = [];
  for (let pair = 0; pair < (smoke ? 1 : PAIRS); pair++) {
    // Who is started first changes, too.
    const [a, b] = await comparePair(pair % 2 === 0 ? [first, second] : [second, first], rounds, request);
    pairs.push(pair % 2 === 0 ? [a, b] : [b, a]);
  }
  const ratios = pairs.map(([a, b]) => a / b);
  return {
    first: quantile(
      pairs.map(([a]) => a),
      0.5,
    ),
    second: quantile(
      pairs.map(([, b]) => b),
      0.5,
    ),
    ratio: quantile(ratios, 0.5),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    sweeps: pairs.length * rounds * request.count,
  };
}

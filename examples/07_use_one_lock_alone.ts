/**
 * A reader/writer lock on its own, in any program with worker threads: four threads keep a shared table of numbers consistent.
 * The invariant: all numbers of the table are equal whenever nobody writes.
 *
 *   node examples/dist/07_use_one_lock_alone.js
 */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LockSpace, type LockSpaceHandle, LockTimeoutError } from '@faultlab/core/locks';

interface Order {
  readonly handle: LockSpaceHandle;
  readonly threadIndex: number;
  readonly table: Int32Array<SharedArrayBuffer>;
}

const THREADS = 4;
const ROUNDS = 20_000;

if (isMainThread) await main();
else work(workerData as Order);

async function main(): Promise<void> {
  const space = LockSpace.create({ threads: THREADS + 1, locks: 1 });
  const table = new Int32Array(new SharedArrayBuffer(64));

  // The main thread has an index of its own. While it holds the lock, nobody gets in.
  using locks = LockSpace.attach(space.handle, THREADS, { now: () => performance.now() });
  const lock = locks.rwLock(0);
  const guard = lock.write();
  const workers = Array.from({ length: THREADS }, (_, threadIndex) => {
    const order: Order = { handle: space.handle, threadIndex, table };
    return new Worker(new URL(import.meta.url), { workerData: order });
  });
  const torn = Promise.all(
    workers.map((worker) => new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))),
  );
  table.fill(100);
  guard.release();

  const sum = (await torn).reduce((total, count) => total + count, 0);
  using _reading = lock.read();
  console.log(`${THREADS} threads, ${ROUNDS} rounds each; every number is ${table[0]}, torn reads: ${sum}`);
  if (sum !== 0 || table.some((value) => value !== table[0])) process.exitCode = 1;
}

function work({ handle, threadIndex, table }: Order): void {
  using locks = LockSpace.attach(handle, threadIndex, { now: () => performance.now() });
  const lock = locks.rwLock(0);
  let torn = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 10 === 0) {
      using guard = lock.write();
      for (let i = 0; i < table.length; i++) table[i] = (table[i] as number) + 1;
      // Others may read from here on, but nobody has written in between.
      guard.downgrade();
      if (!uniform(table)) torn++;
    } else {
      using _guard = lock.read();
      if (!uniform(table)) torn++;
    }
  }
  try {
    using _guard = lock.write({ timeoutMs: 1000 });
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
  }
  parentPort?.postMessage(torn);
}

function uniform(table: Int32Array): boolean {
  return table.every((value) => value === table[0]);
}

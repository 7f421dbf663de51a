/**
 * A mutex in three states - free, taken, taken and somebody may sleep - as an adapter for the torture of 08_torture_a_lock.ts. All its operations
 * go through the Atomics object that it is given, so lock-step sees each of them.
 */
import type { LockAdapter } from '@faultlab/workers';

const FREE = 0;
const TAKEN = 1;
const WANTED = 2;

const adapter: LockAdapter<SharedArrayBuffer> = {
  name: 'three states',
  create: () => new SharedArrayBuffer(4),
  attach(buffer, { atomics }) {
    const word = new Int32Array(buffer);
    return {
      lock() {
        if (atomics.compareExchange(word, 0, FREE, TAKEN) === FREE) return;
        while (atomics.exchange(word, 0, WANTED) !== FREE) atomics.wait(word, 0, WANTED);
      },
      unlock() {
        if (atomics.exchange(word, 0, FREE) === WANTED) atomics.notify(word, 0, 1);
      },
    };
  },
};
export default adapter;

/** One thread of the lock space's tests: does what its order names and tells how it ended. */
import { LockAbortedError, LockSpace, type LockSpaceHandle, type LockThread, LockTimeoutError } from '@faultlab/core/locks';

export interface SpaceOrder {
  readonly handle: LockSpaceHandle;
  readonly threadIndex: number;
  readonly act: 'count' | 'writeOnce' | 'readTimed' | 'hold';
  /** [0] is a plain counter, the others are the flags below. */
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** The holder has the lock. */
export const HELD = 1;
/** The holder may release it. */
export const RELEASED = 2;
/** How many threads have attached. */
export const ATTACHED = 3;
/** Plus the thread's index: it has ended. */
export const ENDED = 4;

export default function run({ handle, threadIndex, act, words }: SpaceOrder): string {
  using locks = LockSpace.attach(handle, threadIndex, { now: () => performance.now() });
  Atomics.add(words, ATTACHED, 1);
  try {
    return ACTS[act](locks, words);
  } catch (error) {
    if (error instanceof LockTimeoutError || error instanceof LockAbortedError) return error.name;
    throw error;
  } finally {
    if (act === 'readTimed') raise(words, RELEASED);
    raise(words, ENDED + threadIndex);
  }
}

const raise = (words: Int32Array<SharedArrayBuffer>, word: number): void => {
  Atomics.store(words, word, 1);
  Atomics.notify(words, word);
};

const ACTS: Readonly<Record<SpaceOrder['act'], (locks: LockThread, words: Int32Array<SharedArrayBuffer>) => string>> = {
  count: (locks, words) => {
    for (let round = 0; round < 3000; round++) {
      using _mutex = locks.mutex(1).lock();
      words[0] = (words[0] as number) + 1;
    }
    return 'counted';
  },
  hold: (locks, words) => {
    using _guard = locks.rwLock(0).write();
    raise(words, HELD);
    Atomics.wait(words, RELEASED, 0, 5000);
    return 'held';
  },
  readTimed: (locks, words) => {
    Atomics.wait(words, HELD, 0, 5000);
    using _guard = locks.rwLock(0).read({ timeoutMs: 5 });
    return 'read';
  },
  writeOnce: (locks, words) => {
    Atomics.wait(words, HELD, 0, 5000);
    using _guard = locks.rwLock(0).write();
    return 'wrote';
  },
};

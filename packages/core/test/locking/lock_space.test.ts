/** The locks as a JavaScript program uses them: guards, try, timeout, abort, downgrade; and every misuse is an error, not a hang. */
import { LockSpace, type LockThread, LockTimeoutError, UsageError } from '@faultlab/core/locks';
import { assert, runThreads, suite } from '@faultlab/test-support';
import { ATTACHED, ENDED, HELD, RELEASED, type SpaceOrder } from './lock_space.worker.ts';

const test = suite('lock space');

const now = (): number => performance.now();

interface Pair {
  readonly space: LockSpace;
  readonly a: LockThread;
  readonly b: LockThread;
}

/** Two indexes of one thread: neither may wait for the other. */
function pair(withoutWebAssembly = false): Pair {
  const space = LockSpace.create({ threads: 3, locks: 4, withoutWebAssembly });
  return { space, a: LockSpace.attach(space.handle, 0, { now }), b: LockSpace.attach(space.handle, 1, { now }) };
}

for (const withoutWebAssembly of [false, true]) {
  test(`readers share, a writer excludes (${withoutWebAssembly ? 'plain' : 'WebAssembly'})`, () => {
    const { a, b } = pair(withoutWebAssembly);
    const [mine, yours] = [a.rwLock(0), b.rwLock(0)];
    {
      using first = mine.read();
      using second = yours.read();
      assert.equal([first.mode, second.mode], ['read', 'read']);
      assert.is(b.rwLock(1).tryWrite()?.mode, 'write');
    }
    using writing = mine.write();
    assert.is(yours.tryRead(), undefined);
    assert.is(yours.tryWrite(), undefined);
    writing.downgrade();
    assert.is(writing.mode, 'read');
    using reading = yours.tryRead();
    assert.is(reading?.mode, 'read');
  });
}

test('a mutex has one holder', () => {
  const { a, b } = pair();
  {
    using _guard = a.mutex(2).lock();
    assert.is(b.mutex(2).tryLock(), undefined);
  }
  using taken = b.mutex(2).tryLock();
  assert.is(taken?.mode, 'write');
});

test('a wait with a timeout ends in a LockTimeoutError, and the lock is as before', () => {
  const { a, b } = pair();
  using guard = a.rwLock(0).write();
  for (const act of [() => b.rwLock(0).read({ timeoutMs: 3 }), () => b.rwLock(0).write({ timeoutMs: 0 })]) {
    assert.throws(act, (error: Error) => error instanceof LockTimeoutError && /Read\/write lock 0 was not free within/.test(error.message));
  }
  guard.release();
  using again = b.rwLock(0).tryWrite();
  assert.is(again?.mode, 'write');
});

test('an abort that comes before the wait ends the wait, once; a free lock is taken all the same', () => {
  const { space, a, b } = pair();
  space.abort(1);
  b.rwLock(0).read().release();
  using _guard = a.rwLock(0).write();
  assert.throws(() => b.rwLock(0).read(), /was aborted/);
  assert.throws(() => b.rwLock(0).read({ timeoutMs: 1 }), /not free within 1 ms/);
  a.abort(1);
  assert.equal([b.clearAbort(), b.clearAbort()], [true, false]);
});

const MISUSES: readonly { readonly name: string; readonly act: (made: Pair) => unknown; readonly says: RegExp }[] = [
  {
    name: 'a double release',
    act: ({ a }) => {
      const guard = a.rwLock(0).read();
      guard.release();
      guard.release();
    },
    says: /released twice/,
  },
  {
    name: 'a second lock by the same thread',
    act: ({ a }) => {
      a.rwLock(0).read();
      a.rwLock(0).write();
    },
    says: /held by this thread already/,
  },
  {
    name: 'a second try by the same thread',
    act: ({ a }) => {
      a.mutex(0).lock();
      a.mutex(0).tryLock();
    },
    says: /held by this thread already/,
  },
  {
    name: 'a downgrade twice',
    act: ({ a }) => {
      const guard = a.rwLock(0).write();
      guard.downgrade();
      guard.downgrade();
    },
    says: /not held for writing/,
  },
  { name: 'an index in use', act: ({ space }) => LockSpace.attach(space.handle, 0, { now }), says: /in use by another thread/ },
  { name: 'an index that does not exist', act: ({ space }) => LockSpace.attach(space.handle, 3, { now }), says: /created for 3 threads/ },
  { name: 'a lock that does not exist', act: ({ a }) => a.rwLock(4), says: /created with 4 locks/ },
  {
    name: 'one number as two kinds of lock',
    act: ({ a, b }) => {
      a.rwLock(0);
      b.mutex(0);
    },
    says: /in use as a read\/write lock/,
  },
  {
    name: 'a lock of a closed thread',
    act: ({ a }) => {
      const lock = a.rwLock(0);
      a.close();
      lock.read();
    },
    says: /is closed/,
  },
  {
    name: 'closing a thread that holds a lock',
    act: ({ a }) => {
      a.rwLock(0).read();
      a.close();
    },
    says: /still holds 1 lock/,
  },
  { name: 'a negative timeout', act: ({ a }) => a.rwLock(0).read({ timeoutMs: -1 }), says: /timeoutMs is -1/ },
  { name: 'an abort of nobody', act: ({ space }) => space.abort(9), says: /created for 3 threads/ },
  { name: 'no locks', act: () => LockSpace.create({ threads: 1, locks: 0 }), says: /locks is 0/ },
];

for (const { name, act, says } of MISUSES) {
  test(`${name} is a UsageError that says what to do`, () => {
    assert.throws(
      () => act(pair()),
      (error: Error) => error instanceof UsageError && says.test(error.message) && error.message.endsWith('.'),
    );
  });
}

test('an index can be attached again after it was closed', () => {
  const { space, a } = pair();
  a.close();
  using again = LockSpace.attach(space.handle, 0, { now });
  assert.is(again.threadIndex, 0);
});

const threads = (
  acts: readonly SpaceOrder['act'][],
): { space: LockSpace; words: Int32Array<SharedArrayBuffer>; outcomes: Promise<string[]> } => {
  const space = LockSpace.create({ threads: acts.length, locks: 2 });
  const words = new Int32Array(new SharedArrayBuffer(64));
  const outcomes = runThreads<string, SpaceOrder>({
    module: new URL('./lock_space.worker.js', import.meta.url),
    count: acts.length,
    data: (threadIndex) => ({ handle: space.handle, threadIndex, act: acts[threadIndex] as SpaceOrder['act'], words }),
  });
  return { space, words, outcomes };
};

test('four threads count under a mutex and lose nothing', async () => {
  const { words, outcomes } = threads(['count', 'count', 'count', 'count']);
  await outcomes;
  assert.is(words[0], 12_000);
});

test('a timed wait on another thread runs out', async () => {
  const { outcomes } = threads(['hold', 'readTimed']);
  assert.equal(await outcomes, ['held', 'LockTimeoutError']);
});

test('an abort from outside reaches a thread that sleeps in a lock', async () => {
  const { space, words, outcomes } = threads(['hold', 'writeOnce']);
  const until = async (word: number, least: number): Promise<void> => {
    while (Atomics.load(words, word) < least) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(HELD, 1);
  await until(ATTACHED, 2);
  space.abort(1);
  await until(ENDED + 1, 1); // While the holder still holds the lock.
  Atomics.store(words, RELEASED, 1);
  Atomics.notify(words, RELEASED);
  assert.equal(await outcomes, ['held', 'LockAbortedError']);
});

test.run();

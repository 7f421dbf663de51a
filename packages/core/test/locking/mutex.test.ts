/** Forced interleavings of the mutex and of completions, on real threads. */
import { EINTR } from '@faultlab/core/base/errno';
import { LOCK_MUTEX } from '@faultlab/core/locking/lock_class';
import { MUTEX_WORDS, mutex_is_locked, mutex_lock, mutex_trylock, mutex_unlock, mutexLockUntil } from '@faultlab/core/locking/mutex';
import { ETIMEDOUT } from '@faultlab/core/locking/timed_wait';
import { assert, suite } from '@faultlab/test-support';
import { world } from './fixtures.ts';
import { LOCK_LINE, runSteps, type Step } from './steps.ts';

const test = suite('mutex and completion');

const HANDOFF = 2;

async function check(
  threads: readonly (readonly Step[])[],
  wanted: { readonly results?: readonly (readonly number[])[]; readonly log?: string },
  options: { readonly seed?: number | null; readonly spin?: boolean } = { spin: false },
): Promise<void> {
  const outcome = await runSteps(threads, options);
  if (wanted.results !== undefined) assert.equal(outcome.results, wanted.results);
  if (wanted.log !== undefined) assert.is(outcome.log, wanted.log);
  const lock = outcome.memory.userAt + LOCK_LINE * 16;
  assert.equal([...outcome.memory.words.subarray(lock + 1, lock + MUTEX_WORDS)], [0, 0, 0, 0, 0, 0, 0], 'somebody is still queued');
}

test('an uncontended mutex is one word, free after the unlock', () => {
  const { cpus, lock, memory } = world();
  mutex_lock(cpus[0], lock);
  assert.is(memory.words[lock], 1 << 3);
  assert.ok(mutex_is_locked(cpus[1], lock));
  assert.not.ok(mutex_trylock(cpus[1], lock));
  mutex_unlock(cpus[0], lock);
  assert.is(memory.words[lock], 0);
  assert.ok(mutex_trylock(cpus[1], lock));
});

test('a wait whose deadline has passed gives up and leaves the queue', () => {
  const { cpus, lock, memory, clock } = world();
  mutex_lock(cpus[0], lock);
  assert.is(mutexLockUntil(cpus[1], lock, LOCK_MUTEX, clock.ms), ETIMEDOUT);
  assert.is(memory.words[lock], 1 << 3);
  mutex_unlock(cpus[0], lock);
  assert.is(memory.words[lock], 0);
});

for (const [name, act, says] of [
  [
    'a foreign unlock',
    (w) => {
      mutex_lock(w.cpus[1], w.lock);
      mutex_unlock(w.cpus[0], w.lock);
    },
    /does not hold/,
  ],
  ['an unlock of a free mutex', (w) => mutex_unlock(w.cpus[0], w.lock), /does not hold/],
  [
    'a second lock by the holder',
    (w) => {
      mutex_lock(w.cpus[0], w.lock);
      mutex_lock(w.cpus[0], w.lock);
    },
    /holds the lock already/,
  ],
] as const satisfies readonly (readonly [string, (w: ReturnType<typeof world>) => void, RegExp])[]) {
  test(`${name} is an error`, () => {
    assert.throws(() => act(world()), says);
  });
}

test('waiters get the mutex in the order of their coming', async () => {
  await check(
    [
      [['mutex_lock'], ['raise', 0], ['asleep', 1], ['raise', 1], ['asleep', 2], ['mutex_unlock']],
      [['await', 0], ['mutex_lock'], ['note', '1'], ['mutex_unlock']],
      [['await', 1], ['mutex_lock'], ['note', '2'], ['mutex_unlock']],
    ],
    { log: '12' },
  );
});

test('a killed waiter leaves, and the next one gets the mutex', async () => {
  await check(
    [
      [['mutex_lock'], ['raise', 0], ['asleep', 1], ['raise', 1], ['asleep', 2], ['kill', 1], ['await', 2], ['mutex_unlock']],
      [['await', 0], ['mutex_lock_killable'], ['raise', 2]],
      [['await', 1], ['mutex_lock'], ['note', '2'], ['mutex_unlock']],
    ],
    { results: [[], [EINTR], []], log: '2' },
  );
});

test('the first waiter that was passed by once is given the mutex', async () => {
  // Lowest CPU first: CPU 0 takes the mutex back before the woken CPU 1 moves; CPU 1 demands it; then CPU 0 has to queue.
  await check(
    [
      [
        ['mutex_lock'],
        ['raise', 0],
        ['asleep', 1],
        ['mutex_unlock'],
        ['mutex_lock'],
        ['note', 's'],
        ['asleep', 1],
        ['look', HANDOFF],
        ['mutex_unlock'],
        ['mutex_lock'],
        ['note', 'z'],
        ['mutex_unlock'],
      ],
      [['await', 0], ['mutex_lock'], ['note', '1'], ['mutex_unlock']],
    ],
    { results: [[HANDOFF], []], log: 's1z' },
    { seed: 0 },
  );
});

test('a completion that comes first is not lost', async () => {
  await check(
    [
      [['complete'], ['raise', 0]],
      [['await', 0], ['wait_for_completion'], ['note', 'd']],
    ],
    { log: 'd' },
  );
});

test('complete lets one waiter go, complete_all the others', async () => {
  await check(
    [
      [
        ['asleep', 1],
        ['raise', 0],
        ['asleep', 2],
        ['complete'],
        ['await', 1],
        ['asleep', 2],
        ['note', 'a'],
        ['complete_all'],
        ['await', 2],
      ],
      [['wait_for_completion'], ['note', '1'], ['raise', 1]],
      [['await', 0], ['wait_for_completion'], ['note', '2'], ['raise', 2]],
    ],
    { log: '1a2' },
  );
});

test('a killed waiter of a completion returns, and the event is for the next', async () => {
  await check(
    [
      [['asleep', 1], ['kill', 1], ['await', 0], ['complete']],
      [['wait_for_completion_killable'], ['raise', 0]],
      [['wait_for_completion'], ['note', '2']],
    ],
    { results: [[], [EINTR], []], log: '2' },
  );
});

test.run();

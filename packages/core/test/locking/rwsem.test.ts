/** Forced interleavings of the semaphore, on real threads. Each is steered by flags and by looking at who sleeps, never by time. */
import { EINTR } from '@faultlab/core/base/errno';
import { assert, suite } from '@faultlab/test-support';
import { LOCK_LINE, runSteps, type Step } from './steps.ts';
import type { TurnsTaken } from './turn_gate.ts';

const test = suite('rwsem, forced interleavings');

const HANDOFF = 4;
const WAITERS = 2;
const repeat = (count: number, ...steps: Step[]): Step[] => Array.from({ length: count }, () => steps).flat();

/** Runs the lists and compares results and log; the lock must be free afterwards. */
async function check(
  threads: readonly (readonly Step[])[],
  wanted: { readonly results?: readonly (readonly number[])[]; readonly log?: string },
  options: { readonly seed?: number | null; readonly spin?: boolean } = {},
): Promise<void> {
  const outcome = await runSteps(threads, options);
  if (wanted.results !== undefined) assert.equal(outcome.results, wanted.results);
  if (wanted.log !== undefined) assert.is(outcome.log, wanted.log);
  const lock = outcome.memory.userAt + LOCK_LINE * 16;
  assert.equal([...outcome.memory.words.subarray(lock + 2, lock + 6), outcome.memory.words[lock]], [0, 0, 0, 0, 0], 'the lock is not free');
}

test('a reader behind a queued writer is granted the lock after the writer, and all queued readers together', async () => {
  await check(
    [
      [['down_read'], ['raise', 0], ['asleep', 1], ['raise', 1], ['asleep', 2], ['asleep', 3], ['note', 'a'], ['up_read']],
      [['await', 0], ['down_write'], ['note', 'w'], ['up_write']],
      [['await', 1], ['down_read'], ['note', 'r'], ['raise', 2], ['await', 3], ['up_read']],
      [['await', 1], ['down_read'], ['note', 'r'], ['raise', 3], ['await', 2], ['up_read']],
    ],
    { log: 'awrr' },
    { spin: false },
  );
});

test('a read trylock fails when a writer is merely queued', async () => {
  await check(
    [
      [['down_read'], ['raise', 0], ['asleep', 1], ['raise', 1], ['await', 2], ['up_read']],
      [['await', 0], ['down_write'], ['up_write']],
      [['await', 1], ['down_read_trylock'], ['down_write_trylock'], ['raise', 2]],
    ],
    { results: [[], [], [0, 0]] },
    { spin: false },
  );
});

test('a killed writer at the head of the queue leaves, and the reader behind it gets in', async () => {
  await check(
    [
      [['down_read'], ['raise', 0], ['asleep', 1], ['raise', 1], ['asleep', 2], ['kill', 1], ['await', 2], ['up_read']],
      [['await', 0], ['down_write_killable']],
      [['await', 1], ['down_read'], ['raise', 2], ['up_read']],
    ],
    { results: [[], [EINTR], []] },
    { spin: false },
  );
});

test('a killed reader in the middle leaves, and nobody notices', async () => {
  await check(
    [
      [['down_write'], ['raise', 0], ['asleep', 1], ['raise', 1], ['asleep', 2], ['kill', 1], ['await', 2], ['up_write']],
      [['await', 0], ['down_read_killable'], ['raise', 2]],
      [['await', 1], ['down_read_killable'], ['up_read']],
    ],
    { results: [[], [EINTR], [0]] },
    { spin: false },
  );
});

test('a reader that is killed after it was granted the lock has the lock', async () => {
  // Lock-step, lowest CPU first: CPU 0 releases and kills before CPU 1 gets a turn.
  await check(
    [
      [['down_write'], ['raise', 0], ['asleep', 1], ['up_write'], ['kill', 1], ['note', 'k']],
      [['await', 0], ['down_read_killable'], ['note', 'r'], ['up_read']],
    ],
    { results: [[], [0]], log: 'kr' },
    { seed: 0 },
  );
});

test('a writer is killed while it waits: an uninterruptible one does not care', async () => {
  await check(
    [
      [['down_read'], ['raise', 0], ['asleep', 1], ['kill', 1], ['asleep', 1], ['note', 'a'], ['up_read']],
      [['await', 0], ['down_write'], ['note', 'w'], ['up_write']],
    ],
    { log: 'aw' },
    { spin: false },
  );
});

test('a downgrade lets queued readers in at once', async () => {
  await check(
    [
      [['down_write'], ['raise', 0], ['asleep', 1], ['note', 'd'], ['downgrade_write'], ['await', 1], ['note', 'u'], ['up_read']],
      [['await', 0], ['down_read'], ['note', 'r'], ['raise', 1], ['up_read']],
    ],
    { log: 'dru' },
  );
});

test('a downgrade lets nobody in when a writer is first in the queue', async () => {
  await check(
    [
      [
        ['down_write'],
        ['raise', 0],
        ['asleep', 1],
        ['raise', 1],
        ['asleep', 2],
        ['downgrade_write'],
        ['asleep', 1],
        ['asleep', 2],
        ['note', 'u'],
        ['up_read'],
      ],
      [['await', 0], ['down_write'], ['note', 'w'], ['up_write']],
      [['await', 1], ['down_read'], ['note', 'r'], ['up_read']],
    ],
    { log: 'uwr' },
    { spin: false },
  );
});

test('a lone reader steals a free lock from a queued writer that has not woken yet', async () => {
  // Lowest CPU first: CPU 1 is runnable after the release, but CPU 0 goes on and reads.
  await check(
    [
      [
        ['down_write'],
        ['raise', 0],
        ['asleep', 1],
        ['up_write'],
        ['down_read'],
        ['look', WAITERS],
        ['note', 'r'],
        ['asleep', 1],
        ['up_read'],
      ],
      [['await', 0], ['down_write'], ['note', 'w'], ['up_write']],
    ],
    { results: [[WAITERS], []], log: 'rw' },
    { seed: 0 },
  );
});

test('a writer overtakes a queued one until that one has waited 4 ms and demands the lock', async () => {
  const steal: Step[] = [['up_write'], ['down_write'], ['note', 's'], ['look', HANDOFF]];
  await check(
    [
      // Spins past the woken waiter twice; then the waiter has waited too long, sets HANDOFF, and the next try queues behind it.
      [
        ['down_write'],
        ['raise', 0],
        ['asleep', 1],
        ...steal,
        ['asleep', 1],
        ...steal,
        ['later', 5],
        ...steal,
        ['asleep', 1],
        ['look', HANDOFF],
        ...steal,
        ['up_write'],
      ],
      [['await', 0], ['down_write'], ['note', 'w'], ['up_write']],
    ],
    { results: [[0, 0, 0, HANDOFF, 0], []], log: 'sssws' },
    { seed: 0 },
  );
});

test('a reader that has waited 4 ms is not overtaken by writers any more', async () => {
  const steal: Step[] = [['up_write'], ['down_write'], ['note', 's']];
  await check(
    [
      [['down_write'], ['raise', 0], ['asleep', 1], ...steal, ['up_write']],
      [['await', 0], ['down_read'], ['note', 'r'], ['up_read']],
    ],
    { log: 'rs' },
    { seed: 0 },
  );
});

test('a stream of overlapping readers does not starve a writer', async () => {
  const readers = repeat(300, ['down_read'], ['look', 0], ['up_read']);
  const outcome = await runSteps([readers, readers, [...repeat(50, ['down_write'], ['up_write'])]]);
  assert.is(outcome.memory.words[outcome.memory.userAt + LOCK_LINE * 16], 0);
});

test('the same seed gives the same order of turns, another seed another', async () => {
  const list = repeat(10, ['down_read'], ['up_read'], ['down_write'], ['up_write']);
  const turns = async (seed: number): Promise<TurnsTaken> => (await runSteps([list, list], { seed })).taken;
  const [one, again, other] = [await turns(11), await turns(11), await turns(12)];
  assert.equal(one, again);
  assert.not.equal(one, other);
});

test('in every one of many seeded orders both writers get the lock', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    await check(
      [
        repeat(4, ['down_write'], ['up_write'], ['down_read'], ['up_read']),
        repeat(4, ['down_read'], ['up_read'], ['down_write'], ['up_write']),
      ],
      {},
      { seed },
    );
  }
});

test.run();

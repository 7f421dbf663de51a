/** runThreads: results in order, every failure an Error that names its thread, no thread left at work. */

import { assert, runThreads, suite, within } from '@faultlab/test-support';
import type { Task } from './fixtures/obedient.worker.ts';

const test = suite('run_threads');
const module = new URL('./fixtures/obedient.worker.js', import.meta.url);

function run(deeds: readonly Task['deed'][], deadlineMs = 5_000): Promise<unknown[]> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const data = (index: number): Task => ({ deed: deeds[index] ?? 'return', words });
  return runThreads({ module, count: deeds.length, data, deadlineMs });
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const outcome = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(outcome instanceof Error)) throw new Error('the work did not fail with an Error');
  return outcome;
}

test('threads share memory and their results come back', async () => {
  const results = (await run(['return', 'return', 'return'])) as number[];
  assert.equal([...results].sort(), [0, 1, 2]);
});

test('threads that came back do the next run', async () => {
  const first = (await run(['thread', 'thread'])) as number[];
  assert.equal(((await run(['thread', 'thread'])) as number[]).sort(), first.sort());
});

test('a thread that keeps a timer is ended after its result', async () => {
  const [thread] = (await run(['thread'])) as number[];
  assert.equal(await run(['linger']), [0]);
  const after = (await run(['thread', 'thread', 'thread'])) as number[];
  assert.not(after.includes(thread as number));
});

test('a thread that threw is not used again, nor are those that were at work then', async () => {
  const before = (await run(['thread', 'thread'])) as number[];
  await failureOf(run(['hang', 'throw']));
  const after = (await run(['thread', 'thread', 'thread'])) as number[];
  assert.equal(
    after.filter((id) => before.includes(id)),
    [],
  );
});

const failures: readonly [Task['deed'], RegExp][] = [
  ['throw', /^thread 1: out of pages$/],
  ['throw-text', /^thread 1: something that is not an Error was thrown: 'only a text'$/],
  ['exit', /^thread 1: exited with code 7 before it returned$/],
  ['uncloneable', /^thread 1: .*could not be cloned/],
];
for (const [deed, message] of failures) {
  test(`one thread's '${deed}' ends all, and the Error names the thread`, async () => {
    const failure = await failureOf(run(['hang', deed]));
    assert.match(failure.message, message);
  });
}

test('the class name of an error survives the way between threads', async () => {
  assert.is((await failureOf(run(['throw']))).name, 'RangeError');
});

for (const deed of ['hang', 'park'] as const) {
  test(`a thread that does not come back (${deed}) meets the deadline, by number`, async () => {
    const failure = await failureOf(run(['return', deed], 500));
    assert.match(failure.message, /^deadline: thread\(s\) (0, )?1 of obedient\.worker\.js not finished after 500 ms$/);
  });
}

test('a module that cannot be loaded is an Error', async () => {
  const missing = new URL('./fixtures/nowhere.worker.js', import.meta.url);
  assert.match((await failureOf(runThreads({ module: missing, count: 1 }))).message, /^thread 0: Cannot find module/);
});

test('within names what it waited for', async () => {
  const never = new Promise(() => undefined);
  assert.is((await failureOf(within(5, 'the moon', never))).message, 'deadline: the moon not finished after 5 ms');
});

test.run();

/**
 * A uvu suite whose verdict can be trusted: every test has a deadline, whatever it throws becomes an Error, and a
 * thread that outlives its test fails it.
 *
 * There are no hooks, because uvu swallows what a hook throws: a fixture is a function that takes the test's body.
 * There is no `only` and no `skip`; give the runner a part of a file name to run a single file.
 * A test that blocks the main thread cannot be stopped from inside; the runner's deadline for the file ends it.
 * Next: run_threads.ts, for tests that need threads.
 */

import { suite as uvuSuite } from 'uvu';
import { compare } from 'uvu/diff';
import { asError } from './as_error.ts';
import { endThreadsSince, threadsAlive } from './thread_watch.ts';
import { within } from './within.ts';

const DEADLINE_MS = 30_000;

export type TestBody = () => unknown | Promise<unknown>;

export interface TestOptions {
  /** Milliseconds that the test may take. 30,000 when not given. */
  readonly deadlineMs?: number;
}

export interface Tester {
  /** Adds a test. Its name says the situation and the outcome, in the present tense. */
  (name: string, body: TestBody, options?: TestOptions): void;
  /** Starts the tests. The last statement of every test file. */
  run(): void;
}

/** Makes a suite; `name` is printed before its row of dots. */
export function suite(name: string): Tester {
  const tests = uvuSuite(name);
  const names = new Set<string>();
  const add = (testName: string, body: TestBody, options: TestOptions = {}): void => {
    if (names.has(testName)) throw new Error(`two tests of '${name}' are called '${testName}'; give one of them another name`);
    names.add(testName);
    tests(testName, () => runGuarded(testName, body, options.deadlineMs ?? DEADLINE_MS));
  };
  return Object.assign(add, { run: () => tests.run() });
}

async function runGuarded(name: string, body: TestBody, deadlineMs: number): Promise<void> {
  const before = threadsAlive();
  let failure: Error | undefined;
  try {
    await within(deadlineMs, `test '${name}'`, Promise.resolve().then(body));
  } catch (thrown) {
    failure = printable(asError(thrown));
  }
  const leaked = await endThreadsSince(before);
  if (failure !== undefined) throw failure;
  if (leaked > 0) {
    throw new Error(`${leaked} worker thread(s) started by test '${name}' still lived after it; end them in the test`);
  }
}

/** uvu draws the difference of an AssertionError, and loses the whole failure when it cannot (a BigInt is enough). */
function printable(error: Error): Error {
  if (!error.name.startsWith('AssertionError')) return error;
  const { actual, expected } = error as { actual?: unknown; expected?: unknown };
  try {
    compare(actual, expected);
    return error;
  } catch {
    return new Error(error.message, { cause: error });
  }
}

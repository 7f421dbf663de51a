/**
 * Turns whatever was thrown into an Error, because uvu counts a test that throws anything else as passed.
 * Next: suite.ts uses it around every test.
 */

import { inspect } from 'node:util';

/** Returns `thrown` itself when it is an Error, and otherwise an Error that shows it. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (isErrorLike(thrown)) return rebuild(thrown);
  return new Error(`something that is not an Error was thrown: ${inspect(thrown)}`);
}

interface ErrorLike {
  readonly message: string;
  readonly name?: unknown;
  readonly stack?: unknown;
}

/** An Error of another realm, or one that lost its class on its way between two threads. */
function isErrorLike(thrown: unknown): thrown is ErrorLike {
  return typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string';
}

function rebuild(thrown: ErrorLike): Error {
  const error = new Error(thrown.message);
  if (typeof thrown.name === 'string') error.name = thrown.name;
  if (typeof thrown.stack === 'string') error.stack = thrown.stack;
  return error;
}

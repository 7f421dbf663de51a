/**
 * Assertions: one fact each, with a constant message (a template string would be paid for on every call).
 * A failed assertion means that the model is broken; nobody unlocks anything on the way out.
 */
import { InvariantError } from './errors.ts';

/** Throws InvariantError unless the fact holds. */
export function assert(fact: boolean, message: string): asserts fact {
  if (!fact) throw new InvariantError('assert', message);
}

/** Throws InvariantError with the id of a documented invariant unless the fact holds. */
export function invariant(fact: boolean, id: string, message: string): asserts fact {
  if (!fact) throw new InvariantError(id, message);
}

/** Documents that a fact is sometimes true; the dual of assert. */
export function maybe(_fact: boolean): void {}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new InvariantError('assert', `unreachable value ${String(value)}`);
}

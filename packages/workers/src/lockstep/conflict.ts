/**
 * Which operations depend on each other: only those whose order can make a difference. Swapping two neighbours that do not is the same
 * schedule in another dress.
 */
import { STEP_DEREFERENCE, STEP_PARK, STEP_POINT, STEP_READ, STEP_RELAX } from '@faultlab/core/memory/step_gate';

/** It touches no word. */
const touchesNothing = (kind: number): boolean => kind === STEP_POINT || kind === STEP_RELAX;
/** It looks, and changes nothing. */
const onlyLooks = (kind: number): boolean => kind === STEP_READ || kind === STEP_DEREFERENCE;

/** Does the order of the two matter? A park looks at its word, and puts itself in its queue of sleepers. */
export function inConflict(kind: number, word: number, otherKind: number, otherWord: number): boolean {
  if (touchesNothing(kind) || touchesNothing(otherKind) || word !== otherWord) return false;
  if (onlyLooks(kind) && (onlyLooks(otherKind) || otherKind === STEP_PARK)) return false;
  return !(kind === STEP_PARK && onlyLooks(otherKind));
}

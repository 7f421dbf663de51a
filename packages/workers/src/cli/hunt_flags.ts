/**
 * Options about what becomes of a failure on free threads.
 * Next: hand_over.ts
 */
import type { FailureFlags } from './lockstep_failure.ts';

export interface HuntFlags extends FailureFlags {
  /** Look for it in lock-step. */
  readonly hunt: boolean;
  readonly huntSeconds: number | undefined;
}

/**
 * A strategy says who moves next. Every thread has an object of it, but what it remembers is on the board, because each choice is made by
 * the thread that has the turn.
 * Next: strategies/ has one file for each
 */
import type { Board } from './board.ts';

/** What a CPU is about to do that cannot go on: it sleeps or has left. */
export const NO_STEP = -1;
/** The same of the first choice: nobody has moved yet. */
export const FIRST_STEP = -2;

/** One choice. The board has the operation that each CPU is about to do. */
export interface Choice {
  /** Who asks: it has the turn and is about to do `kind`, or cannot go on. */
  readonly me: number;
  /** CPUs that can move: two or more, or one for a strategy that sees that, too. */
  readonly candidates: number;
  /** What is taken when nobody cares: the CPU itself if it can go on, otherwise the next that can. */
  readonly fallback: number;
  /** The CPU that asks could go on: to choose another one is a preemption. */
  readonly goesOn: boolean;
  /** A STEP_* kind, NO_STEP, or FIRST_STEP. */
  readonly kind: number;
}

export interface Strategy {
  /** It is asked also where only one CPU can move, and may give the schedule up there. */
  readonly seesForced?: boolean;
  /** Before each schedule, on one thread, while nobody moves. @returns false when there is nothing left to try */
  begin(board: Board, schedule: number): boolean;
  /** @returns one of the candidates, or -1 to give the schedule up */
  next(board: Board, choice: Choice): number;
  /** After each schedule, on the same thread as begin(). */
  end?(board: Board): void;
  /** One sentence about what has been covered, after the last schedule. */
  covered?(board: Board): string;
}

/**
 * Choices by where the CPU was that made them, not by their number in the schedule: "when CPU 1 is at the fourth step of its third operation,
 * CPU 0 moves". A program that loses an operation, or a schedule that loses a switch, still has all its other anchors, so a schedule
 * can be made simpler piece by piece.
 * Next: strategies/anchored.ts, shrink.ts
 */
import { B_DEVIATIONS, type Board, DEVIATIONS_MAX, deviationAt } from './board.ts';
import { FIRST_STEP, NO_STEP } from './strategy.ts';

/** How the choosing CPU was: it could go on, it could not, or nobody had moved yet. */
const GOES_ON = 0;
const STOPPED = 1;
export const FIRST = 2;

export interface Anchor {
  /** The CPU that chose, and how it was. */
  readonly by: number;
  readonly how: number;
  /** Operations of its program that were over, and steps it has made since. */
  readonly ops: number;
  readonly steps: number;
  /** The CPU that was chosen. */
  readonly cpu: number;
}

const HOW_SHIFT = 5;
const STEPS_SHIFT = 7;
const STEPS_MAX = 0xff_ffff;

/** Everything about the place of a choice but the number of the operation, in one word of the board. */
export function whereWord(by: number, kind: number, steps: number): number {
  const how = kind === FIRST_STEP ? FIRST : kind === NO_STEP ? STOPPED : GOES_ON;
  // Who was the last to come to the start is no part of the schedule.
  if (how === FIRST) return FIRST << HOW_SHIFT;
  return (Math.min(steps, STEPS_MAX) << STEPS_SHIFT) | (how << HOW_SHIFT) | by;
}

/** The deviations of the schedule that the board holds. */
export function readAnchors(board: Board): Anchor[] {
  const count = Math.min(board[B_DEVIATIONS] as number, DEVIATIONS_MAX);
  return Array.from({ length: count }, (_, index) => {
    const at = deviationAt(index);
    const where = board[at + 2] as number;
    return {
      by: where & ((1 << HOW_SHIFT) - 1),
      how: (where >>> HOW_SHIFT) & 3,
      steps: where >>> STEPS_SHIFT,
      ops: board[at + 3] as number,
      cpu: board[at + 1] as number,
    };
  });
}

/** For a table of anchors. */
export const anchorKey = (where: number, ops: number): string => `${where}:${ops}`;
export const keyOf = ({ by, how, ops, steps }: Anchor): string => anchorKey((steps << STEPS_SHIFT) | (how << HOW_SHIFT) | by, ops);

/**
 * Round robin: everybody in turn, for so many operations: one in the first schedule, two in the second, and so on. No seed.
 */
import { B_STRATEGY, type Board, nextAfter } from '../board.ts';
import type { Choice, Strategy } from '../strategy.ts';

const QUANTUM = B_STRATEGY;
const LEFT = B_STRATEGY + 1;
const QUANTUM_MAX = 4096;

export class RoundRobin implements Strategy {
  begin(board: Board, schedule: number): boolean {
    board[QUANTUM] = schedule + 1;
    board[LEFT] = schedule + 1;
    return schedule < QUANTUM_MAX;
  }

  next(board: Board, { me, candidates, goesOn }: Choice): number {
    const left = (board[LEFT] as number) - 1;
    if (left > 0 && goesOn) {
      board[LEFT] = left;
      return me;
    }
    board[LEFT] = board[QUANTUM] as number;
    return nextAfter(candidates, me);
  }

  covered(board: Board): string {
    return `every CPU in turn for 1 to ${board[QUANTUM]} operations`;
  }
}

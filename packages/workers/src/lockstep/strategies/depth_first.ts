/**
 * Bounded exhaustive search: all schedules with at most so many preemptions, depth first. A preemption takes the turn from a CPU that could
 * go on; switches at the end of a CPU, at a sleep and in a spin loop are free. Most bugs need two.
 * The way to where the search is lies on the board: the choice made at each place, and those that are left.
 * @source Musuvathi, Qadeer: Iterative Context Bounding for Systematic Testing of Multithreaded Programs (PLDI 2007)
 */
import { B_DECISIONS, B_STRATEGY, type Board, lowest, STACK_MAX, stackAt } from '../board.ts';
import type { Choice, Strategy } from '../strategy.ts';

/** Places on the way, of which the first ones are given; preemptions so far in this schedule; was anything left out, and why. */
const DEPTH = B_STRATEGY;
const GIVEN = B_STRATEGY + 1;
const PREEMPTIONS = B_STRATEGY + 2;
const BOUNDED = B_STRATEGY + 3;
const CUT = B_STRATEGY + 4;
const SEEN = B_STRATEGY + 5;
/** Fields of a place. */
const CHOSEN = 0;
const LEFT = 1;
/** Preemptions before it, and whether another choice than the first would be one more. */
const BEFORE = 2;
const DEAR = 3;

export class DepthFirst implements Strategy {
  readonly #bound: number;

  constructor(bound: number) {
    this.#bound = bound;
  }

  begin(board: Board, schedule: number): boolean {
    board[PREEMPTIONS] = 0;
    if (schedule === 0) {
      for (const word of [DEPTH, GIVEN, BOUNDED, CUT, SEEN]) board[word] = 0;
      return true;
    }
    let depth = board[DEPTH] as number;
    while (depth > 0 && board[stackAt(depth - 1) + LEFT] === 0) depth--;
    board[DEPTH] = depth;
    board[GIVEN] = depth;
    if (depth === 0) return false;
    const place = stackAt(depth - 1);
    const left = board[place + LEFT] as number;
    board[place + CHOSEN] = lowest(left);
    board[place + LEFT] = left & (left - 1);
    return true;
  }

  next(board: Board, { me, candidates, fallback, goesOn }: Choice): number {
    const at = board[B_DECISIONS] as number;
    if (at >= STACK_MAX) {
      board[CUT] = 1;
      return fallback;
    }
    const place = stackAt(at);
    if (at >= (board[GIVEN] as number)) this.#push(board, at, candidates, fallback, goesOn);
    const chosen = board[place + CHOSEN] as number;
    const preempts = board[place + DEAR] === 1 && chosen !== me;
    board[PREEMPTIONS] = (board[place + BEFORE] as number) + (preempts ? 1 : 0);
    return chosen;
  }

  end(board: Board): void {
    board[SEEN] = (board[SEEN] as number) + 1;
  }

  covered(board: Board): string {
    const seen = board[SEEN] as number;
    const all = board[DEPTH] === 0 && board[CUT] === 0;
    if (!all) return `${seen} interleavings seen, not all`;
    return board[BOUNDED] === 0
      ? `all ${seen} interleavings seen`
      : `all ${seen} interleavings with at most ${this.#bound} preemptions seen`;
  }

  #push(board: Board, at: number, candidates: number, first: number, dear: boolean): void {
    const place = stackAt(at);
    const before = board[PREEMPTIONS] as number;
    const others = candidates & ~(1 << first);
    const allowed = !dear || before < this.#bound;
    if (!allowed) board[BOUNDED] = 1;
    board[place + CHOSEN] = first;
    board[place + LEFT] = allowed ? others : 0;
    board[place + BEFORE] = before;
    board[place + DEAR] = dear ? 1 : 0;
    board[DEPTH] = at + 1;
  }
}

/**
 * Exhaustive search up to the order of independent operations: every schedule is seen once in one of its dresses, however many preemptions it
 * has. After a choice has been searched, its CPU sleeps in the other branches until somebody does an operation that depends on the one it is about
 * to do: until then the branch would only show what has been seen.
 * For locks by themselves: whatever CPUs share must go through the funnel, or what depends on it is not seen.
 * @source Godefroid: Partial-Order Methods for the Verification of Concurrent Systems (1996), sleep sets
 */
import { B_STRATEGY, type Board, C_KIND, C_WORD, cpuAt, lowest, STACK_MAX, stackAt } from '../board.ts';
import { inConflict } from '../conflict.ts';
import type { Choice, Strategy } from '../strategy.ts';

/** Places on the way, of which the first ones are given; where this schedule is; who sleeps now; counters. */
const DEPTH = B_STRATEGY;
const GIVEN = B_STRATEGY + 1;
const AT = B_STRATEGY + 2;
const ASLEEP = B_STRATEGY + 3;
const TOO_LONG = B_STRATEGY + 4;
const SEEN = B_STRATEGY + 5;
const CUT = B_STRATEGY + 6;
/** Fields of a place: the choice, those that are left, who slept before it, and who has been searched since. */
const CHOSEN = 0;
const LEFT = 1;
const SLEPT = 2;
const DONE = 3;

export class Exhaustive implements Strategy {
  /** Who sleeps changes with every operation, also where there is no choice. */
  readonly seesForced = true;

  begin(board: Board, schedule: number): boolean {
    board[AT] = 0;
    board[ASLEEP] = 0;
    if (schedule === 0) {
      for (const word of [DEPTH, GIVEN, TOO_LONG, SEEN, CUT]) board[word] = 0;
      return true;
    }
    let depth = board[DEPTH] as number;
    while (depth > 0 && board[stackAt(depth - 1) + LEFT] === 0) depth--;
    board[DEPTH] = depth;
    board[GIVEN] = depth;
    if (depth === 0) return false;
    const place = stackAt(depth - 1);
    const left = board[place + LEFT] as number;
    board[place + DONE] = (board[place + DONE] as number) | (1 << (board[place + CHOSEN] as number));
    board[place + CHOSEN] = lowest(left);
    board[place + LEFT] = left & (left - 1);
    return true;
  }

  next(board: Board, { candidates, fallback }: Choice): number {
    const at = board[AT] as number;
    if (at >= STACK_MAX) {
      board[TOO_LONG] = 1;
      return fallback;
    }
    const place = stackAt(at);
    if (at >= (board[GIVEN] as number)) {
      const slept = board[ASLEEP] as number;
      const awake = candidates & ~slept;
      if (awake === 0) {
        board[CUT] = (board[CUT] as number) + 1;
        return -1;
      }
      const chosen = (awake & (1 << fallback)) !== 0 ? fallback : lowest(awake);
      board[place + CHOSEN] = chosen;
      board[place + LEFT] = awake & ~(1 << chosen);
      board[place + SLEPT] = slept;
      board[place + DONE] = 0;
      board[DEPTH] = at + 1;
    }
    const chosen = board[place + CHOSEN] as number;
    board[AT] = at + 1;
    board[ASLEEP] = this.#stillAsleep(board, ((board[place + SLEPT] as number) | (board[place + DONE] as number)) & ~(1 << chosen), chosen);
    return chosen;
  }

  end(board: Board): void {
    board[SEEN] = (board[SEEN] as number) + 1;
  }

  covered(board: Board): string {
    const seen = (board[SEEN] as number) - (board[CUT] as number);
    const all = board[DEPTH] === 0 && board[TOO_LONG] === 0;
    return all ? `all ${seen} interleavings seen, up to the order of independent operations` : `${seen} interleavings seen, not all`;
  }

  /** Those whose next operations do not depend on that of the chosen CPU. */
  #stillAsleep(board: Board, asleep: number, chosen: number): number {
    const kind = board[cpuAt(chosen, C_KIND)] as number;
    const word = board[cpuAt(chosen, C_WORD)] as number;
    let still = asleep;
    for (let rest = asleep; rest !== 0; rest &= rest - 1) {
      const cpu = lowest(rest);
      if (inConflict(kind, word, board[cpuAt(cpu, C_KIND)] as number, board[cpuAt(cpu, C_WORD)] as number)) still &= ~(1 << cpu);
    }
    return still;
  }
}

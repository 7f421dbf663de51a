/**
 * Replay: the default at every choice, except where the list says otherwise. A list of another model may not fit: a CPU that cannot move is
 * passed over, and counted.
 */
import { B_DECISIONS, B_DIVERGED, B_STRATEGY, type Board } from '../board.ts';
import type { Choices } from '../choices.ts';
import type { Choice, Strategy } from '../strategy.ts';

const NEXT = B_STRATEGY;

export class Replay implements Strategy {
  readonly #choices: Choices;

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  begin(board: Board, schedule: number): boolean {
    board[NEXT] = 0;
    board[B_DIVERGED] = 0;
    return schedule === 0;
  }

  next(board: Board, { candidates, fallback }: Choice): number {
    const next = board[NEXT] as number;
    const deviation = this.#choices[next];
    if (deviation === undefined || deviation.at !== board[B_DECISIONS]) return fallback;
    board[NEXT] = next + 1;
    if ((candidates & (1 << deviation.cpu)) !== 0) return deviation.cpu;
    board[B_DIVERGED] = (board[B_DIVERGED] as number) + 1;
    return fallback;
  }
}

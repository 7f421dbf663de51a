/**
 * Random walk: at each operation everybody who can move is equally likely. Switches a lot, so it finds what needs many switches.
 */
import type { Board } from '../board.ts';
import { drawCpu, seedChance } from '../chance.ts';
import type { Choice, Strategy } from '../strategy.ts';

export class RandomWalk implements Strategy {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  begin(board: Board, schedule: number): boolean {
    seedChance(board, this.#seed, schedule);
    return true;
  }

  next(board: Board, { candidates }: Choice): number {
    return drawCpu(board, candidates);
  }
}

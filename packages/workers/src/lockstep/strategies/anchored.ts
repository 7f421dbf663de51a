/**
 * Anchored choices: the default everywhere, except where a CPU comes to a place that the list names. Unlike a replay it may end as another
 * schedule than the one that the list was taken from: whoever uses it looks at what came of it.
 * Next: ../anchors.ts
 */
import { type Anchor, anchorKey, keyOf, whereWord } from '../anchors.ts';
import { type Board, C_OP_STEPS, C_OPS, cpuAt } from '../board.ts';
import type { Choice, Strategy } from '../strategy.ts';

export class Anchored implements Strategy {
  readonly #anchors: ReadonlyMap<string, number>;

  constructor(anchors: readonly Anchor[]) {
    this.#anchors = new Map(anchors.map((anchor) => [keyOf(anchor), anchor.cpu]));
  }

  begin(_board: Board, schedule: number): boolean {
    return schedule === 0;
  }

  next(board: Board, { me, candidates, fallback, kind }: Choice): number {
    const where = whereWord(me, kind, board[cpuAt(me, C_OP_STEPS)] as number);
    const cpu = this.#anchors.get(anchorKey(where, board[cpuAt(me, C_OPS)] as number));
    return cpu !== undefined && (candidates & (1 << cpu)) !== 0 ? cpu : fallback;
  }
}

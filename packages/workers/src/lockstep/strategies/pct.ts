/**
 * PCT: CPUs have random priorities, the highest that can move does, and at d - 1 places drawn in advance the one that moves falls below all
 * others. A bug that needs d ordered operations of n CPUs in k steps is met with a chance of at least 1 / (n * k^(d - 1)).
 * Few switches, so few hand-overs: the fastest of the strategies, too.
 * @source Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs (ASPLOS 2010)
 */
import { STEP_RELAX } from '@faultlab/core/memory/step_gate';
import { B_CPUS, B_START_STEPS, B_STEPS, B_STEPS_MAX, B_STRATEGY, type Board, C_PRIORITY, cpuAt } from '../board.ts';
import { drawBelow, seedChance } from '../chance.ts';
import type { Choice, Strategy } from '../strategy.ts';

/** After the word of chance: the priority below all others, then the steps at which somebody falls, in ascending order. */
const BELOW = B_STRATEGY + 1;
const POINTS = B_STRATEGY + 2;
const NEXT_POINT = B_STRATEGY + 3;
const FIRST_POINT = B_STRATEGY + 4;
export const PCT_DEPTH_MAX = 24;
/** How long a schedule is thought to be before one has been seen. */
const STEPS_GUESS = 256;

export class Pct implements Strategy {
  readonly #seed: number;
  readonly #depth: number;

  constructor(seed: number, depth: number) {
    this.#seed = seed;
    this.#depth = depth;
  }

  begin(board: Board, schedule: number): boolean {
    seedChance(board, this.#seed, schedule);
    const cpus = board[B_CPUS] as number;
    for (let cpu = 0; cpu < cpus; cpu++) {
      const place = drawBelow(board, cpu + 1);
      board[cpuAt(cpu, C_PRIORITY)] = board[cpuAt(place, C_PRIORITY)] as number;
      board[cpuAt(place, C_PRIORITY)] = cpu + 1;
    }
    board[BELOW] = 0;
    board[NEXT_POINT] = 0;
    board[POINTS] = this.#depth - 1;
    const longest = board[B_STEPS_MAX] as number;
    const steps = longest === 0 ? STEPS_GUESS : longest;
    const points = Array.from({ length: this.#depth - 1 }, () => drawBelow(board, steps)).sort((a, b) => a - b);
    points.forEach((step, index) => {
      board[FIRST_POINT + index] = step;
    });
    return true;
  }

  next(board: Board, { me, candidates, goesOn, kind }: Choice): number {
    if (kind === STEP_RELAX || (goesOn && this.#fallsNow(board))) {
      board[BELOW] = (board[BELOW] as number) - 1;
      board[cpuAt(me, C_PRIORITY)] = board[BELOW] as number;
    }
    let best = -1;
    let priority = 0;
    for (let rest = candidates; rest !== 0; rest &= rest - 1) {
      const cpu = 31 - Math.clz32(rest & -rest);
      const its = board[cpuAt(cpu, C_PRIORITY)] as number;
      if (best < 0 || its > priority) {
        best = cpu;
        priority = its;
      }
    }
    return best;
  }

  #fallsNow(board: Board): boolean {
    const point = board[NEXT_POINT] as number;
    if (point >= (board[POINTS] as number)) return false;
    if ((board[B_STEPS] as number) - (board[B_START_STEPS] as number) < (board[FIRST_POINT + point] as number)) return false;
    board[NEXT_POINT] = point + 1;
    return true;
  }
}

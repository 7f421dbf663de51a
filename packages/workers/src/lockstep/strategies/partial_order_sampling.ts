/**
 * Partial-order sampling: every operation that a CPU is about to do has a random priority, the highest is done, and those that depend on it
 * draw again. Schedules that differ only in the order of independent operations count as one, so what is rare by counting schedules is
 * not so rare here.
 * @source Yuan, Yang, Gu: Partial Order Aware Concurrency Sampling (CAV 2018)
 */
import { STEP_RELAX } from '@faultlab/core/memory/step_gate';
import { B_CPUS, type Board, C_KIND, C_PRIORITY, C_WORD, cpuAt } from '../board.ts';
import { draw, seedChance } from '../chance.ts';
import { inConflict } from '../conflict.ts';
import type { Choice, Strategy } from '../strategy.ts';

/** Priorities are positive numbers of 31 bits; 0: the operation has none yet. */
const newPriority = (board: Board): number => (draw(board) >>> 1) | 1;

export class PartialOrderSampling implements Strategy {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  begin(board: Board, schedule: number): boolean {
    seedChance(board, this.#seed, schedule);
    for (let cpu = 0; cpu < (board[B_CPUS] as number); cpu++) board[cpuAt(cpu, C_PRIORITY)] = 0;
    return true;
  }

  next(board: Board, { me, candidates, kind }: Choice): number {
    // What the asking CPU is about to do is new; a CPU that spins looks again at what it has seen.
    board[cpuAt(me, C_PRIORITY)] = kind === STEP_RELAX ? 1 : newPriority(board);
    let best = -1;
    let highest = -1;
    for (let rest = candidates; rest !== 0; rest &= rest - 1) {
      const cpu = 31 - Math.clz32(rest & -rest);
      const at = cpuAt(cpu, C_PRIORITY);
      if (board[at] === 0) board[at] = newPriority(board);
      const its = board[at] as number;
      if (its <= highest) continue;
      best = cpu;
      highest = its;
    }
    this.#drawAgain(board, candidates, best);
    return best;
  }

  /** Those whose operations depend on the chosen one. */
  #drawAgain(board: Board, candidates: number, chosen: number): void {
    const kind = board[cpuAt(chosen, C_KIND)] as number;
    const word = board[cpuAt(chosen, C_WORD)] as number;
    for (let rest = candidates & ~(1 << chosen); rest !== 0; rest &= rest - 1) {
      const cpu = 31 - Math.clz32(rest & -rest);
      if (inConflict(kind, word, board[cpuAt(cpu, C_KIND)] as number, board[cpuAt(cpu, C_WORD)] as number)) {
        board[cpuAt(cpu, C_PRIORITY)] = newPriority(board);
      }
    }
  }
}

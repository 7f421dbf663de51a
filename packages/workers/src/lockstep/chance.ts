/**
 * Random numbers whose state is one word of the board, so that the thread that has the turn can draw: splitmix32.
 */
import { B_STRATEGY, type Board } from './board.ts';

const STATE = B_STRATEGY;
const GOLDEN = 0x9e3779b9;

/** Mixes numbers into one of 32 bits: seed and number of a schedule, for example. */
export function mix(seed: number, stream: number): number {
  return scramble((seed ^ Math.imul(stream + 1, GOLDEN)) | 0);
}

function scramble(value: number): number {
  let z = value;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

export function seedChance(board: Board, seed: number, schedule: number): void {
  board[STATE] = mix(seed, schedule);
}

/** 32 bits, unsigned. */
export function draw(board: Board): number {
  const state = ((board[STATE] as number) + GOLDEN) | 0;
  board[STATE] = state;
  return scramble(state) >>> 0;
}

/** A whole number in [0, n). */
export function drawBelow(board: Board, n: number): number {
  return Math.floor((draw(board) / 0x1_0000_0000) * n);
}

/** One of the CPUs of a mask. */
export function drawCpu(board: Board, mask: number): number {
  let rest = mask;
  for (let skip = drawBelow(board, bitCount(mask)); skip > 0; skip--) rest &= rest - 1;
  return 31 - Math.clz32(rest & -rest);
}

export function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/**
 * The last operations of each CPU, in shared memory, so that a failure, a stall or a dead thread can be told with what led to it.
 * Next: run_program.ts writes it, report/failure_block.ts prints it.
 */

import { LINE_WORDS } from '@faultlab/core/memory/shared_words';
import { type ArenaMap, OP_LOG_ENTRIES, OP_LOG_ENTRY_WORDS } from '../arena_map.ts';
import { describeOp, type Op } from './op.ts';
import { outcomeName } from './outcome.ts';

const NEXT = 0;
const KIND = 0;
const ARGS = 1;
const RESULT = 6;
const ENDED = 7;

/** One CPU's log. */
export class OpLog {
  readonly #words: Int32Array;
  readonly #base: number;
  #next = 0;

  constructor(words: Int32Array, arena: ArenaMap, cpu: number) {
    this.#words = words;
    this.#base = arena.opLog(cpu);
    words.fill(0, this.#base, this.#base + LINE_WORDS + OP_LOG_ENTRIES * OP_LOG_ENTRY_WORDS);
  }

  begin(operation: Readonly<Op>): void {
    const words = this.#words;
    const at = this.#at(this.#next);
    words[at + KIND] = operation.kind;
    words[at + ARGS] = operation.a;
    words[at + ARGS + 1] = operation.b;
    words[at + ARGS + 2] = operation.c;
    words[at + ARGS + 3] = operation.d;
    words[at + ARGS + 4] = operation.e;
    words[at + ENDED] = 0;
    this.#next = (this.#next + 1) | 0;
    words[this.#base + NEXT] = this.#next;
  }

  end(result: number): void {
    const at = this.#at(this.#next - 1);
    this.#words[at + RESULT] = result;
    this.#words[at + ENDED] = 1;
  }

  #at(index: number): number {
    return this.#base + LINE_WORDS + (index & (OP_LOG_ENTRIES - 1)) * OP_LOG_ENTRY_WORDS;
  }
}

export interface LoggedOp extends Readonly<Op> {
  /** Counts from 0 on each CPU. */
  readonly index: number;
  /** What it returned; undefined while it lasts. */
  readonly result: number | undefined;
}

/** The operations still in a CPU's log, oldest first. */
export function readOpLog(words: Int32Array, arena: ArenaMap, cpu: number): LoggedOp[] {
  const base = arena.opLog(cpu);
  const next = words[base + NEXT] as number;
  const count = Math.min(next, OP_LOG_ENTRIES);
  return Array.from({ length: count }, (_, position) => {
    const index = next - count + position;
    const at = base + LINE_WORDS + (index & (OP_LOG_ENTRIES - 1)) * OP_LOG_ENTRY_WORDS;
    const word = (offset: number): number => words[at + offset] as number;
    const result = word(ENDED) === 1 ? word(RESULT) : undefined;
    const [a, b, c, d, e] = [word(ARGS), word(ARGS + 1), word(ARGS + 2), word(ARGS + 3), word(ARGS + 4)];
    return { index, kind: word(KIND), a, b, c, d, e, result };
  });
}

/** "write page=4096 stamp=77 -> ok", or "... (in it)" for one that has not ended. */
export function describeLoggedOp(logged: LoggedOp): string {
  return `${describeOp(logged)}${logged.result === undefined ? ' (in it)' : ` -> ${outcomeName(logged.kind, logged.result)}`}`;
}

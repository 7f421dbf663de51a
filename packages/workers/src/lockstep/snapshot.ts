/**
 * The machine as it was before the first schedule, to be put back before each further one. What only reports read (latencies, logs of
 * operations) stays as it is.
 */
import { H_LEFT, H_RCU_GP_SEQ } from '@faultlab/core/memory/header';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { ArenaMap } from '../arena_map.ts';

export class Snapshot {
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #copy: Int32Array;

  /** @locks none: no CPU moves, all are idle */
  constructor(memory: SharedMemory, arena: ArenaMap) {
    this.#words = memory.words;
    // Before it are the words by which the outside reaches the CPUs; they are not part of the past.
    this.#first = H_RCU_GP_SEQ;
    const end = memory.userAt + arena.opLog(0);
    this.#copy = memory.words.slice(this.#first, end);
  }

  /** Words that are put back. */
  get length(): number {
    return this.#copy.length;
  }

  restore(): void {
    this.#words.set(this.#copy, this.#first);
    this.#words[H_LEFT] = 0;
  }
}

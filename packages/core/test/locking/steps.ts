/**
 * Forced interleavings: each thread executes a list of steps, and steps can wait for one another, for a word or for another CPU to be
 * asleep in a lock. Nothing depends on how long anything takes.
 * Next: steps.worker.ts executes the list
 */
import type { Word } from '@faultlab/core/base/brand';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type MemoryHandle, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import { runThreads } from '@faultlab/test-support';
import { type TurnsTaken, turnsTaken } from './turn_gate.ts';

export type LockStep =
  | 'down_read'
  | 'down_read_killable'
  | 'down_read_trylock'
  | 'up_read'
  | 'down_write'
  | 'down_write_killable'
  | 'down_write_trylock'
  | 'up_write'
  | 'downgrade_write'
  | 'mutex_lock'
  | 'mutex_lock_killable'
  | 'mutex_trylock'
  | 'mutex_unlock'
  | 'wait_for_completion'
  | 'wait_for_completion_killable'
  | 'complete'
  | 'complete_all';

export type Step =
  /** A call on the lock; its result goes into the thread's results. */
  | readonly [LockStep]
  /** Goes on when step flag `flag` has been raised. */
  | readonly ['await', number]
  | readonly ['raise', number]
  /** Goes on when that CPU sleeps. */
  | readonly ['asleep', number]
  /** Writes a letter into the common log. */
  | readonly ['note', string]
  | readonly ['kill', number]
  /** Moves the clock of all CPUs, in milliseconds. */
  | readonly ['later', number]
  /** The bits of the lock's first word, masked, go into the results. */
  | readonly ['look', number];

export interface StepsOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly cpus: number;
  readonly steps: readonly Step[];
  /** Lock-step order: null for free-running, 0 for lowest CPU first, otherwise a seed. */
  readonly seed: number | null;
  readonly spin: boolean;
}

/** Lines of the user region. */
export const LOCK_LINE = 2;
export const FLAGS_LINE = 4;
export const LOG_LINE = 6;
export const CLOCK_LINE = 20;
export const GATE_LINE = 22;
export const LOG_MAX = 200;

export interface StepsResult {
  readonly memory: SharedMemory;
  /** What the calls of each thread returned: numbers, and 1 or 0 for true and false. */
  readonly results: readonly (readonly number[])[];
  /** The notes of all threads in their order. */
  readonly log: string;
  /** In lock-step. */
  readonly taken: TurnsTaken;
}

export async function runSteps(
  threads: readonly (readonly Step[])[],
  options: { readonly seed?: number | null; readonly spin?: boolean } = {},
): Promise<StepsResult> {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: threads.length });
  const { seed = null, spin = true } = options;
  const results = await runThreads<number[], StepsOrder>({
    module: new URL('./steps.worker.js', import.meta.url),
    count: threads.length,
    data: (cpu) => ({ handle: memory.handle, cpu, cpus: threads.length, steps: threads[cpu] as readonly Step[], seed, spin }),
  });
  const log = memory.userAt + LOG_LINE * 16;
  const letters = memory.words.subarray(log + 1, log + 1 + (memory.words[log] as number));
  return {
    memory,
    results,
    log: String.fromCharCode(...letters),
    taken: turnsTaken(memory.words, (memory.userAt + GATE_LINE * 16) as Word),
  };
}

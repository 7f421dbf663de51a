/**
 * CPUs on fresh memory, for tests that need no threads: several CPUs of one thread take their turns as the test says.
 * Next: steps.ts, for tests that need threads
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu, type CpuOptions } from '@faultlab/core/cpu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type SharedMemory } from '@faultlab/core/memory/shared_memory';

/** First words of the user region, by use. A cache line each. */
export const userWord = (memory: SharedMemory, line: number): Word => (memory.userAt + line * 16) as Word;

export interface World {
  readonly memory: SharedMemory;
  readonly cpus: readonly [Cpu, Cpu, Cpu, Cpu];
  /** An unlocked lock of any kind. */
  readonly lock: Word;
  /** Some other zero words. */
  readonly other: Word;
  /** What the clock of every CPU shows. */
  readonly clock: { ms: number };
}

/** Four CPUs on one thread, with a clock that stands still. None may wait for another. */
export function world(options: Partial<CpuOptions> = {}): World {
  const memory = createMemory(LOCKS_ONLY_SIZE);
  const clock = { ms: 1000 };
  const cpu = (id: number): Cpu => new Cpu({ id: id as CpuId, memory, now: () => clock.ms, ...options });
  return { memory, cpus: [cpu(0), cpu(1), cpu(2), cpu(3)], lock: userWord(memory, 2), other: userWord(memory, 4), clock };
}

/** One sleeper: waits for the first user word to change, as long as that takes. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { atomic_read } from '@faultlab/core/memory/atomic';
import { park } from '@faultlab/core/memory/park';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';

export interface SleeperOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
}

export default function sleep(order: SleeperOrder): string {
  const memory = attachMemory(order.handle);
  const cpu = new Cpu({ id: order.cpu as CpuId, memory, now: () => performance.now() });
  const word = memory.userAt as Word;
  Atomics.add(memory.words, memory.userAt + 16, 1);
  try {
    while (atomic_read(cpu, word) === 0) park(cpu, word, 0);
    return 'woken';
  } catch (error) {
    return (error as Error).name;
  }
}

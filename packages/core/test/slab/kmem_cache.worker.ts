/** One of several CPUs that take slots of one pool and give them back, marking each as theirs in between. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { atomic_xchg } from '@faultlab/core/memory/atomic';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import { VMA_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_alloc, kmem_cache_alloc_bulk, kmem_cache_free } from '@faultlab/core/slab/kmem_cache';

export interface CacheThread {
  readonly handle: MemoryHandle;
  readonly index: number;
  readonly rounds: number;
  readonly slots: number;
}

export interface CacheThreadResult {
  readonly taken: number;
  /** Slots that carried somebody's mark when they were handed out or given back. */
  readonly stolen: number;
}

export default function run({ handle, index, rounds, slots }: CacheThread): CacheThreadResult {
  const memory = attachMemory(handle);
  const cpu = new Cpu({ id: index as CpuId, memory, now: () => performance.now(), seed: 7 });
  const mine = index + 1;
  const markOf = (slot: number): Word => (memory.userAt + slot) as Word;
  const held: number[] = [];
  let taken = 0;
  let stolen = 0;
  const mark = (slot: number): void => {
    taken++;
    if (atomic_xchg(cpu, markOf(slot), mine) !== 0) stolen++;
  };
  const giveBack = (slot: number): void => {
    if (atomic_xchg(cpu, markOf(slot), 0) !== mine) stolen++;
    kmem_cache_free(cpu, VMA_CACHE, slot);
  };
  for (let round = 0; round < rounds; round++) {
    const got: number[] = [];
    if (cpu.prng.chance(1, 3)) kmem_cache_alloc_bulk(cpu, VMA_CACHE, cpu.prng.below(4), got);
    else got.push(kmem_cache_alloc(cpu, VMA_CACHE));
    for (const slot of got.filter((slot) => slot !== 0)) {
      mark(slot);
      held.push(slot);
    }
    while (held.length > slots / 4 || (held.length > 0 && cpu.prng.chance(1, 2))) giveBack(held.pop() as number);
  }
  for (const slot of held) giveBack(slot);
  return { taken, stolen };
}

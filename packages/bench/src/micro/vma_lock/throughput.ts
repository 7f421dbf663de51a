/** How many VMA read locks per second several threads take: all on one area, or each on its own. */
import type { CpuId, MmId, Vpn } from '@faultlab/core/base/brand';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { lock_vma_under_rcu, vma_end_read } from '@faultlab/core/mm/vma_lock';
import { type Areas, FIRST, mapAreas, memoryForAreas, SMALL_AREAS } from '../../areas.ts';
import { repeatUntil, type Work } from '../../work.ts';

const AREAS = 64;

/** A memory with areas mapped by a CPU that the gang does not use; its first user word is the address space. */
export function memoryWithAreas(threads: number): SharedMemory {
  const memory = memoryForAreas(AREAS, threads + 1);
  const cpu = createCpu({ id: threads as CpuId, memory, now: () => performance.now() });
  cpuOnline(cpu);
  const { mm } = mapAreas(cpu, AREAS);
  switch_mm(cpu, 0 as MmId);
  cpuOffline(cpu);
  memory.user[0] = mm;
  return memory;
}

const lookups = (name: string, pageOf: (thread: number) => Vpn): Work => ({
  name,
  run: ({ cpu, thread, until }) => {
    const mm = cpu.memory.user[0] as MmId;
    const vpn = pageOf(thread);
    const operations = repeatUntil(until, (count) => {
      for (let i = 0; i < count; i++) {
        const vma = lock_vma_under_rcu(cpu, mm, vpn);
        if (vma === 0) throw new Error('nobody writes, so every lookup finds its area');
        vma_end_read(cpu, vma);
      }
    });
    return { operations };
  },
});

/** The address space of a prepared memory, and its large area. */
export function areasOf(cpu: Cpu): Areas {
  const mm = cpu.memory.user[0] as MmId;
  return { cpu, mm, vma: mas_walk(cpu, mmTree(cpu.memory, mm), FIRST) };
}

export const vmaLockWorks: readonly Work[] = [
  lookups('VMA read lock, one area', () => FIRST),
  lookups('VMA read lock, own areas', (thread) => (SMALL_AREAS + 2 * (thread + 1)) as Vpn),
];

/** A CPU on an address space of its own, for benchmarks of one thread: a large area to fault in, and as many small ones as asked for. */
import type { CpuId, MmId, VmaId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mm_alloc, mmTree, set_max_map_count } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';

/** Pages of the large area. */
export const PAGES = 4096;
export const FIRST = 0x100000 as Vpn;
/** First page of the small areas: one page each, two pages apart, from index 1. */
export const SMALL_AREAS = 0x200000;
const PRIVATE_FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
const READ_WRITE = PROT_READ | PROT_WRITE;

export interface Areas {
  readonly cpu: Cpu;
  readonly mm: MmId;
  /** The large area: pages FIRST .. FIRST + PAGES. */
  readonly vma: VmaId;
}

/** The memory that fits so many areas besides the large one. */
export function memoryForAreas(areas: number, cpus = 1): SharedMemory {
  const room = areas + 1024;
  return createMachineMemory({
    ...DEFAULT_SIZE,
    cpus,
    traceEntries: 0,
    vmas: room,
    anonVmas: room,
    avcs: 2 * room,
    frames: 2 * PAGES + 1024,
  });
}

/** Maps the large area and, two pages apart so that they stay areas of their own, the small ones. */
export function mapAreas(cpu: Cpu, areas: number): Areas {
  const m = cpu.memory;
  const mm = mm_alloc(cpu);
  set_max_map_count(m, mm, areas + 1024);
  switch_mm(cpu, mm);
  must(sys_mmap(cpu, FIRST, PAGES, READ_WRITE, PRIVATE_FIXED, 0 as never, 0));
  for (let i = 1; i < areas; i++) must(sys_mmap(cpu, SMALL_AREAS + 2 * i, 1, READ_WRITE, PRIVATE_FIXED, 0 as never, 0));
  return { cpu, mm, vma: mas_walk(cpu, mmTree(m, mm), FIRST) };
}

export function aloneWithAreas(areas: number, policy: FaultPolicy = policyByName('linux-6.18')): Areas {
  const cpu = createCpu({ id: 0 as CpuId, memory: memoryForAreas(areas), now: () => performance.now(), policy });
  cpuOnline(cpu);
  return mapAreas(cpu, areas);
}

export function must(result: number): void {
  if (result < 0) throw new Error(`a system call of the set-up failed with errno ${-result}`);
}

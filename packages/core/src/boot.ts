/**
 * Boot: an arena that is ready for CPUs, and a CPU that is ready for work. What an experiment calls first.
 * Next: cpu.ts
 */
import type { MappingId } from './base/brand.ts';
import { type BlockContents, Cpu, type CpuOptions, type EndIo, type RcuCallback } from './cpu.ts';
import { initDevices } from './io/block_device.ts';
import { CONTENTS_BLANK, CONTENTS_FILES, type DeviceId, type RequestId } from './io/device_record.ts';
import { END_IO_READ_FOLIOS, END_IO_SWAP_WRITE, END_IO_WRITE_FOLIOS, endReadFolios, endWriteFolios } from './io/end_io.ts';
import { endSwapWrite } from './io/swap_io.ts';
import { rcu_barrier } from './locking/rcu.ts';
import { H_MUTANT } from './memory/header.ts';
import type { MachineSize } from './memory/limits.ts';
import { PC_RUN_STATE, RUN_DONE, RUN_RUNNING } from './memory/percpu.ts';
import { createMemory, type SharedMemory } from './memory/shared_memory.ts';
import { fileToken } from './mm/filemap.ts';
import { lru_add_drain } from './mm/folio_add_lru.ts';
import { mt_free_rcu } from './mm/maple_node.ts';
import { drain_local_pages, initZone } from './mm/page_alloc.ts';
import { DEFAULT_SYSCTL, setSysctl } from './mm/vm_sysctl.ts';
import { freeVmaSlot } from './mm/vma.ts';
import { NO_MUTANT } from './mutants/ids.ts';
import { out_of_memory } from './reclaim/oom_kill.ts';
import { try_to_free_pages } from './reclaim/try_to_free_pages.ts';
import { rcu_idle_enter, rcu_idle_exit } from './sched/rcu_state.ts';
import { kmem_cache_init } from './slab/kmem_cache.ts';
import { RCU_FREE_MAPLE_NODE, RCU_FREE_VMA } from './slab/rcu_callbacks.ts';

export interface MachineMemoryOptions {
  /** Plain Atomics instead of the WebAssembly operations. */
  readonly plain?: boolean;
  /** The machine has this bug of mutants/ids.ts, on every CPU; NO_MUTANT if absent. */
  readonly mutant?: number;
}

/** The memory of a machine of that size: free lists built, nothing mapped. @throws UsageError for an impossible size */
export function createMachineMemory(size: MachineSize, options: MachineMemoryOptions = {}): SharedMemory {
  const memory = createMemory(size, options.plain ?? false);
  memory.words[H_MUTANT] = options.mutant ?? NO_MUTANT;
  kmem_cache_init(memory);
  initZone(memory);
  initDevices(memory);
  setSysctl(memory, DEFAULT_SYSCTL);
  return memory;
}

function callbacks(): readonly RcuCallback[] {
  const table: RcuCallback[] = [];
  table[RCU_FREE_MAPLE_NODE] = mt_free_rcu;
  table[RCU_FREE_VMA] = freeVmaSlot;
  return table;
}

function endIo(): readonly EndIo[] {
  const table: EndIo[] = [];
  table[END_IO_READ_FOLIOS] = (cpu, device, request) => endReadFolios(cpu, device as DeviceId, request as RequestId);
  table[END_IO_WRITE_FOLIOS] = (cpu, device, request) => endWriteFolios(cpu, device as DeviceId, request as RequestId);
  table[END_IO_SWAP_WRITE] = (cpu, device, request) => endSwapWrite(cpu, device as DeviceId, request as RequestId);
  return table;
}

function contents(): readonly BlockContents[] {
  const table: BlockContents[] = [];
  table[CONTENTS_BLANK] = () => 0;
  table[CONTENTS_FILES] = (extent, block) => fileToken(extent as MappingId, block);
  return table;
}

/** This thread as a CPU of the machine. */
export function createCpu(options: CpuOptions): Cpu {
  return new Cpu({
    rcuCallbacks: callbacks(),
    endIo: endIo(),
    blockContents: contents(),
    tryToFree: try_to_free_pages,
    outOfMemory: out_of_memory,
    ...options,
  });
}

/** Before the program: the CPU takes part in grace periods. */
export function cpuOnline(cpu: Cpu): void {
  cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  rcu_idle_exit(cpu);
}

/** After the program: everything deferred is done, the stock of frames is back, and nobody waits for this CPU any more. */
export function cpuOffline(cpu: Cpu): void {
  rcu_barrier(cpu);
  lru_add_drain(cpu);
  drain_local_pages(cpu);
  rcu_idle_enter(cpu);
  cpu.words[cpu.percpu + PC_RUN_STATE] = RUN_DONE;
}

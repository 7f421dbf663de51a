/** A CPU on fresh memory with room for locks, for benchmarks of one thread. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu, type CpuOptions } from '@faultlab/core/cpu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { PC_RUN_STATE, RUN_RUNNING } from '@faultlab/core/memory/percpu';
import { createMemory, type SharedMemory } from '@faultlab/core/memory/shared_memory';

/** A cpu of that memory that says it runs, as one in a machine does. */
export function runningCpu(memory: SharedMemory, id: number, options: Partial<CpuOptions> = {}): Cpu {
  const cpu = new Cpu({ id: id as CpuId, memory, now: () => performance.now(), ...options });
  memory.words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  return cpu;
}

/** @returns the CPU and the first word of a lock, alone on its cache line */
export function alone(options: Partial<CpuOptions> = {}): { cpu: Cpu; lock: Word } {
  const memory = createMemory(LOCKS_ONLY_SIZE);
  return { cpu: runningCpu(memory, 0, options), lock: memory.userAt as Word };
}

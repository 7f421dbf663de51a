/**
 * One CPU, one page: map it, read it, write it, and look at what the fault handler did. No threads are needed for that.
 * Next: 02_two_cpus_one_page.ts
 */
import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { userRead, userWrite } from '@faultlab/core/user/access';

const PAGE = 4096 as Vpn;
const STAMP = 77;

const memory = createMachineMemory({ ...DEFAULT_SIZE, cpus: 1 });
const cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now(), trace: true });
cpuOnline(cpu);
switch_mm(cpu, mm_alloc(cpu));

sys_mmap(cpu, PAGE, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NO_MAPPING, 0);
userRead(cpu, PAGE);
console.log(`a fresh page reads ${cpu.value}`);
userWrite(cpu, PAGE, STAMP);
userRead(cpu, PAGE);
console.log(`after a write it reads ${cpu.value}`);

for (const { name, args } of readTrace(memory, cpu.id)) {
  const values = Object.entries(args).map(([key, value]) => `${key}=${value}`);
  console.log(`  ${name} ${values.join(' ')}`);
}

const { pgfault, vma_lock_success, vma_lock_retry, anon_zero_page, wp_copy } = readCounters(memory);
console.log({ pgfault, vma_lock_success, vma_lock_retry, anon_zero_page, wp_copy });

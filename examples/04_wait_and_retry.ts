/**
 * One fault that has to wait for a disk, step by step, under three policies: the events of the faulting CPU, in order. Everything runs on one thread;
 * the disk makes its step when the CPU would sleep.
 */

import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { serveQueued, setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MAP_FIXED, MAP_SHARED, PROT_READ } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { readTrace } from '@faultlab/core/trace/trace_ring';
import { userRead } from '@faultlab/core/user/access';

const PAGE = 0x1000 as Vpn;
const CPU = 0 as CpuId;
const DISK = 0 as DeviceId;
const SHOWN = /^(page_fault_user|vma_start_read|vma_end_read|lock_dropped|block_bio_queue|sleep|mmap_lock_|handle_mm_fault|set_pte)/;

for (const name of ['linux-6.18', 'retry-vma', 'hold']) {
  const memory = createMachineMemory({ ...DEFAULT_SIZE, cpus: 1, traceEntries: 1024 });
  setupDevice(memory, DISK, { queueDepth: 4, contents: CONTENTS_FILES, server: 'idle' });
  const cpu = createCpu({ id: CPU, memory, now: () => performance.now(), policy: policyByName(name), trace: true });
  cpu.idle = () => serveQueued(cpu, DISK);
  cpuOnline(cpu);
  switch_mm(cpu, mm_alloc(cpu));
  const file = createFile(cpu, { pages: 4, kind: FILE_DISK, device: DISK });
  sys_mmap(cpu, PAGE, 4, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0);
  const before = cpu.traceNext;
  userRead(cpu, PAGE);
  const events = readTrace(memory, CPU).filter((entry) => entry.sequence > before && SHOWN.test(entry.name));
  console.log(`${name}:\n  ${events.map((entry) => entry.name).join('\n  ')}`);
}

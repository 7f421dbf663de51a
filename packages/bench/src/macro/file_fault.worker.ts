/** See file_fault_cost.ts: one CPU, one file on a device that takes no time, one shared and one private mapping of it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MADV_DONTNEED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { must } from '../areas.ts';

export type FileSweep = 'read' | 'read-around' | 'shared-write' | 'write-protected' | 'private-write';

const pages = workerData as number;
const SHARED = 0x100000 as Vpn;
const PRIVATE = 0x200000 as Vpn;
const READ_WRITE = PROT_READ | PROT_WRITE;
const AROUND = 16;
const DISK = 0 as DeviceId;

const memory = createMachineMemory({
  ...DEFAULT_SIZE,
  cpus: 1,
  traceEntries: 0,
  frames: 4 * pages + 2048,
  deviceBlocks: 2 * pages,
  tables: 512,
});
setupDevice(memory, DISK, { queueDepth: 32, contents: CONTENTS_FILES });
const cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now() });
cpuOnline(cpu);
switch_mm(cpu, mm_alloc(cpu));
const file = createFile(cpu, { pages, kind: FILE_DISK, device: DISK });
for (let index = 0; index < pages; index++) must(sys_read(cpu, file, index));
must(sys_mmap(cpu, SHARED, pages, READ_WRITE, MAP_SHARED | MAP_FIXED, file, 0));
must(sys_mmap(cpu, PRIVATE, pages, READ_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0));

/** Empties both mappings and cleans the file. */
function reset(around: number): void {
  must(sys_madvise(cpu, SHARED, pages, MADV_DONTNEED));
  must(sys_madvise(cpu, PRIVATE, pages, MADV_DONTNEED));
  must(sys_fsync(cpu, file));
  setSysctl(memory, { faultAroundPages: around });
}

const good = (outcome: number): void => {
  if (outcome !== 0) throw new Error('an access of the benchmark failed');
};

/** @returns nanoseconds per access */
function timed(step: number, access: (offset: number) => void): number {
  const before = performance.now();
  let count = 0;
  for (let offset = 0; offset < pages; offset += step, count++) access(offset);
  return ((performance.now() - before) * 1e6) / count;
}

function sweep(kind: FileSweep): number {
  reset(kind === 'read' ? 1 : AROUND);
  const read = (offset: number): void => good(userRead(cpu, (SHARED + offset) as Vpn));
  const write = (offset: number): void => good(userWrite(cpu, (SHARED + offset) as Vpn, 1));
  switch (kind) {
    case 'read':
      return timed(1, read);
    case 'read-around':
      return timed(AROUND, read);
    case 'shared-write':
      return timed(1, write);
    case 'write-protected':
      timed(AROUND, read);
      return timed(1, write);
    case 'private-write':
      return timed(1, (offset) => good(userWrite(cpu, (PRIVATE + offset) as Vpn, 1)));
  }
}

parentPort?.on('message', (kind: FileSweep) => parentPort?.postMessage(sweep(kind)));
parentPort?.postMessage('ready');

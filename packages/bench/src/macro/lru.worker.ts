/** See lru_cost.ts and reclaim_rate.ts: one CPU with reclaim by age on or off, anonymous memory, and a file on a device that takes no time. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { mm_alloc, set_mm_memcg } from '@faultlab/core/mm/mm_struct';
import { MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { must } from '../areas.ts';

/**
 * `write`: a fault that gets a page. `cycle`: that, and its unmapping. `read`: a fault on a page of the page cache. `reclaim`: freeing clean pages that are
 * in the page cache; `reclaim-mapped`: those that a program maps besides.
 */
export type LruSweep = 'write' | 'cycle' | 'read' | 'reclaim' | 'reclaim-mapped';

export interface LruWorkerData {
  readonly pages: number;
  readonly lru: 0 | 1;
  /** The address space is in a memory cgroup, without a limit. */
  readonly memcg: boolean;
}

const { pages, lru, memcg } = workerData as LruWorkerData;
const ANON = 0x100000 as Vpn;
const FILE = 0x200000 as Vpn;
const DISK = 0 as DeviceId;
/** Pages that a task wants from a round of reclaim. */
const WANTED = 32;
/** Rounds without a page freed, at most: the first ones only take marks of use away. */
const FRUITLESS_MAX = 20;

const memory = createMachineMemory({
  ...DEFAULT_SIZE,
  cpus: 1,
  traceEntries: 0,
  frames: 2 * pages + 2048,
  deviceBlocks: pages,
  tables: 512,
});
setSysctl(memory, { lru, faultAroundPages: 1 });
setupDevice(memory, DISK, { queueDepth: 32, contents: CONTENTS_FILES });
const cpu = createCpu({ id: 0 as CpuId, memory, now: () => performance.now() });
cpuOnline(cpu);
const mm = mm_alloc(cpu);
if (memcg) set_mm_memcg(memory, mm, SYSCTL_MEMCG);
switch_mm(cpu, mm);
const file = createFile(cpu, { pages, kind: FILE_DISK, device: DISK });
must(sys_mmap(cpu, ANON, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as never, 0));
must(sys_mmap(cpu, FILE, pages, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0));

const good = (outcome: number): void => {
  if (outcome !== 0) throw new Error('an access of the benchmark failed');
};

/** @returns nanoseconds per page */
function timed(work: () => number): number {
  const before = performance.now();
  const done = work();
  return ((performance.now() - before) * 1e6) / done;
}

function writeAll(): number {
  for (let offset = 0; offset < pages; offset++) good(userWrite(cpu, (ANON + offset) as Vpn, 1));
  return pages;
}

function readAll(): number {
  for (let offset = 0; offset < pages; offset++) good(userRead(cpu, (FILE + offset) as Vpn));
  return pages;
}

const forgetAnon = (): void => must(sys_madvise(cpu, ANON, pages, MADV_DONTNEED));
const forgetFile = (): void => must(sys_madvise(cpu, FILE, pages, MADV_DONTNEED));
function fillCache(): void {
  for (let index = 0; index < pages; index++) must(sys_read(cpu, file, index));
}

/** Frees until half of the pages are gone, as a task does that is short of memory. */
function reclaimHalf(): number {
  const group = memcg ? SYSCTL_MEMCG : 0;
  let freed = 0;
  for (let fruitless = 0; freed < pages / 2; ) {
    const now = try_to_free_pages(cpu, group, WANTED);
    if (now === 0 && ++fruitless > FRUITLESS_MAX) throw new Error('reclaim found nothing to free');
    freed += now;
  }
  return freed;
}

function sweep(kind: LruSweep): number {
  forgetAnon();
  forgetFile();
  switch (kind) {
    case 'write':
      return timed(writeAll);
    case 'cycle':
      return timed(() => {
        const done = writeAll();
        forgetAnon();
        return done;
      });
    case 'read':
      fillCache();
      return timed(readAll);
    case 'reclaim':
      fillCache();
      return timed(reclaimHalf);
    case 'reclaim-mapped':
      fillCache();
      readAll();
      return timed(reclaimHalf);
  }
}

parentPort?.on('message', (kind: LruSweep) => parentPort?.postMessage(sweep(kind)));
parentPort?.postMessage('ready');

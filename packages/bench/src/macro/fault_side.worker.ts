/** See fault_sides.ts. It must run from anywhere: a side may bring a core of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CpuId, Vpn } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu } from '@faultlab/core/boot';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userWrite } from '@faultlab/core/user/access';
import { FIRST, mapAreas, memoryForAreas, must } from '../areas.ts';
import type { SweepsRequest } from './fault_sides.ts';

const FEW = 10;
const { verify } = workerData as { readonly verify: boolean };
const cpu = createCpu({ id: 0 as CpuId, memory: memoryForAreas(FEW), now: () => performance.now(), verify });
cpuOnline(cpu);
mapAreas(cpu, FEW);

/** @returns nanoseconds per fault of each sweep: short ones, so that most of them are not interrupted */
function sweeps({ pages, count }: SweepsRequest): readonly number[] {
  return Array.from({ length: count }, () => {
    const before = performance.now();
    for (let i = 0; i < pages; i++) {
      if (userWrite(cpu, (FIRST + i) as Vpn, 1) !== 0) throw new Error('an access of the benchmark failed');
    }
    const took = performance.now() - before;
    must(sys_madvise(cpu, FIRST, pages, MADV_DONTNEED));
    return (took * 1e6) / pages;
  });
}

parentPort?.on('message', (request: SweepsRequest) => parentPort?.postMessage(sweeps(request)));
parentPort?.postMessage('ready');

/** See fault_thread.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Vpn } from '@faultlab/core/base/brand';
import { MADV_DONTNEED } from '@faultlab/core/mm/mman';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { aloneWithAreas, FIRST, must, PAGES } from '../areas.ts';
import type { SweepRequest } from './fault_thread.ts';

const { cpu } = aloneWithAreas(workerData as number);

function sweep({ access, pages }: SweepRequest): number {
  must(sys_madvise(cpu, FIRST, PAGES, MADV_DONTNEED));
  const before = performance.now();
  for (let i = 0; i < pages; i++) {
    const vpn = (FIRST + i) as Vpn;
    if ((access === 'write' ? userWrite(cpu, vpn, 1) : userRead(cpu, vpn)) !== 0) throw new Error('an access of the benchmark failed');
  }
  return ((performance.now() - before) * 1e6) / pages;
}

parentPort?.on('message', (request: SweepRequest) => parentPort?.postMessage(sweep(request)));
parentPort?.postMessage('ready');

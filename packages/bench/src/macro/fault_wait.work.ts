/** See fault_wait.ts: one read fault after the other on a page that is not in the page cache, each timed. */
import type { Vpn } from '@faultlab/core/base/brand';
import { closeFile } from '@faultlab/core/io/file';
import { createFile, FILE_DISK } from '@faultlab/core/mm/address_space';
import { mm_alloc } from '@faultlab/core/mm/mm_struct';
import { MADV_RANDOM, MAP_FIXED, MAP_SHARED, PROT_READ } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { userRead } from '@faultlab/core/user/access';
import type { WorkContext } from '@faultlab/workers/work';
import { must } from '../areas.ts';

export interface FaultWaitData {
  readonly faults: number;
}

/** Microseconds. */
export interface FaultWaitResult {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const FIRST = 0x100000 as Vpn;
const US_PER_MS = 1000;

export default function faultWaitWork(context: WorkContext, { faults }: FaultWaitData): FaultWaitResult {
  const { cpu } = context;
  const mm = mm_alloc(cpu);
  switch_mm(cpu, mm);
  const file = createFile(cpu, { pages: faults, kind: FILE_DISK, device: 0 });
  must(sys_mmap(cpu, FIRST, faults, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0));
  must(sys_madvise(cpu, FIRST, faults, MADV_RANDOM));
  context.arrive();
  const took = new Float64Array(faults);
  for (let i = 0; i < faults; i++) {
    const before = cpu.now();
    if (userRead(cpu, (FIRST + i) as Vpn) !== 0) throw new Error('an access of the benchmark failed');
    took[i] = (cpu.now() - before) * US_PER_MS;
    context.progress();
  }
  switch_mm(cpu, 0 as never);
  mmput(cpu, mm);
  closeFile(cpu, file);
  took.sort();
  const at = (part: number): number => took[Math.min(faults - 1, Math.floor(faults * part))] as number;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

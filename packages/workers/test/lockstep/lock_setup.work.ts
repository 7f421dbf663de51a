/** One address space with one area, before lock cases that need one: their numbers are the first two user words. */
import type { MmId, Vpn } from '@faultlab/core/base/brand';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mm_alloc, mmTree } from '@faultlab/core/mm/mm_struct';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import type { WorkContext } from '@faultlab/workers/work';

const AT = 0x100000 as Vpn;

export default function setUp({ cpu, arrive }: WorkContext): void {
  arrive();
  const mm = mm_alloc(cpu);
  switch_mm(cpu, mm);
  sys_mmap(cpu, AT, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as never, 0);
  cpu.memory.user[0] = mm;
  cpu.memory.user[1] = mas_walk(cpu, mmTree(cpu.memory, mm), AT);
  switch_mm(cpu, 0 as MmId);
}

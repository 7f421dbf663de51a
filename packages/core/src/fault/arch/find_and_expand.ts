/**
 * Taking mmap_lock and finding the area as s390 did until 6.12: the lock without a trylock and without a way out for a killed task, the lookup, and for
 * a page below a stack expand_stack(), which drops the lock and comes back with it or with nothing.
 * @kernel arch/s390/mm/fault.c do_exception() (6.12); mm/mmap.c expand_stack()
 * @fidelity faithful
 * Next: fault/lock_mm_and_find_vma.ts
 */
import type { MmId, VmaId, Vpn } from '../../base/brand.ts';
import { NO_VMA } from '../../base/brand.ts';
import type { Cpu } from '../../cpu.ts';
import { mas_find } from '../../mm/maple_tree.ts';
import { mmTree } from '../../mm/mm_struct.ts';
import { mmap_read_lock, mmap_read_unlock } from '../../mm/mmap_lock.ts';
import { vm_flags, vm_start } from '../../mm/vm_area_struct.ts';
import { VM_GROWSDOWN } from '../../mm/vm_flags.ts';
import { expand_stack } from '../lock_mm_and_find_vma.ts';

/** @locks in: nothing. out: mmap read when an area is returned, nothing with NO_VMA. May sleep. */
export function findAndExpand(cpu: Cpu, mm: MmId, vpn: Vpn): VmaId {
  const m = cpu.memory;
  mmap_read_lock(cpu, mm);
  const vma = mas_find(cpu, mmTree(m, mm), vpn);
  if (vma !== NO_VMA && vm_start(m, vma) <= vpn) return vma;
  if (vma !== NO_VMA && (vm_flags(m, vma) & VM_GROWSDOWN) !== 0) return expand_stack(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  return NO_VMA;
}

/**
 * The third entry of powerpc: a coprocessor faulted on an address space that no CPU may be running on. Under mmap_lock only, and without ALLOW_RETRY, so
 * that neither RETRY nor COMPLETED can come back; the test for COMPLETED that its authors added guards against somebody who passes the flag one day.
 * @kernel arch/powerpc/mm/copro_fault.c copro_handle_mm_fault()
 * @fidelity faithful
 * Next: fault/do_user_addr_fault.ts
 */
import { assert } from '../../base/assert.ts';
import type { MmId, Vpn } from '../../base/brand.ts';
import { NO_VMA } from '../../base/brand.ts';
import { EFAULT, ENOMEM } from '../../base/errno.ts';
import type { Cpu } from '../../cpu.ts';
import { mmap_read_unlock } from '../../mm/mmap_lock.ts';
import { vm_flags } from '../../mm/vm_area_struct.ts';
import { VM_EXEC, VM_READ, VM_WRITE } from '../../mm/vm_flags.ts';
import { count_vm_event, FAULTS_GUP } from '../../trace/counters.ts';
import { handle_mm_fault } from '../handle_mm_fault.ts';
import { lock_mm_and_find_vma } from '../lock_mm_and_find_vma.ts';
import { FAULT_FLAG_WRITE, VM_FAULT_COMPLETED, VM_FAULT_ERROR, VM_FAULT_OOM } from '../vm_fault.ts';

/**
 * @locks none in, none out; the caller keeps the address space alive. Takes mmap_lock for reading, and holds it through every wait; may sleep.
 * @returns 0, ENOMEM, or EFAULT for everything else
 */
export function copro_handle_mm_fault(cpu: Cpu, mm: MmId, vpn: Vpn, write: boolean): number {
  assert(cpu.entry.copro, 'copro_handle_mm_fault: this architecture has no coprocessors');
  const vma = lock_mm_and_find_vma(cpu, mm, vpn);
  if (vma === NO_VMA) return EFAULT;
  const needed = write ? VM_WRITE : VM_READ | VM_EXEC;
  if ((vm_flags(cpu.memory, vma) & needed) === 0) {
    mmap_read_unlock(cpu, mm);
    return EFAULT;
  }
  count_vm_event(cpu, FAULTS_GUP);
  const result = handle_mm_fault(cpu, vma, vpn, write ? FAULT_FLAG_WRITE : 0);
  if ((result & VM_FAULT_COMPLETED) !== 0) return 0;
  mmap_read_unlock(cpu, mm);
  if ((result & VM_FAULT_ERROR) === 0) return 0;
  return (result & VM_FAULT_OOM) !== 0 ? ENOMEM : EFAULT;
}

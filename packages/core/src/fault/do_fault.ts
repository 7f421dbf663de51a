/**
 * A fault on a page of a file, or of shmem: a read, a write to a private copy, or a shared write.
 * @kernel mm/memory.c do_fault()
 * @fidelity faithful
 * Next: fault/do_read_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_SHARED } from '../mm/vm_flags.ts';
import { do_cow_fault } from './do_cow_fault.ts';
import { do_read_fault } from './do_read_fault.ts';
import { do_shared_fault } from './do_shared_fault.ts';
import { FAULT_FLAG_WRITE, liveVma, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0) return do_read_fault(cpu, vmf);
  if ((vm_flags(cpu.memory, liveVma(vmf)) & VM_SHARED) === 0) return do_cow_fault(cpu, vmf);
  return do_shared_fault(cpu, vmf);
}

/**
 * Calling the fault handler of a file: which function serves which kind of file.
 * @kernel mm/memory.c __do_fault(), vm_ops->fault
 * @fidelity reduced: a table by kind of file instead of function pointers
 * Next: fault/filemap_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { filemap_fault } from './filemap_fault.ts';
import { VM_FAULT_ERROR, VM_FAULT_NOPAGE, VM_FAULT_RETRY, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** The handler has not brought a page. */
export const noPage = (result: VmFaultBits): boolean => (result & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) !== 0;

/** Puts the folio, with a reference, into vmf.page. @locks in: the fault lock. out: as handle_mm_fault() */
export function __do_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  return filemap_fault(cpu, vmf);
}

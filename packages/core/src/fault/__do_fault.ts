/**
 * Calling the fault handler of a file: which function serves which kind of file. Every handler's folio is locked afterwards.
 * @kernel mm/memory.c __do_fault(), vm_ops->fault
 * @fidelity reduced: a table by kind of file instead of function pointers
 * Next: fault/filemap_fault.ts, fault/shmem_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { FILE_DRIVER, FILE_SHMEM, fileKind } from '../mm/address_space.ts';
import { folio_lock } from '../mm/folio_lock.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { filemap_fault } from './filemap_fault.ts';
import { shmem_fault } from './shmem_fault.ts';
import { ttm_bo_vm_fault } from './ttm_bo_vm_fault.ts';
import { liveVma, VM_FAULT_ERROR, VM_FAULT_LOCKED, VM_FAULT_NOPAGE, VM_FAULT_RETRY, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** The handler has not brought a page. */
export const noPage = (result: VmFaultBits): boolean => (result & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) !== 0;

/** Puts the folio, locked and with a reference, into vmf.page. @locks in: the fault lock. out: as handle_mm_fault(), and the folio lock if there is a page */
export function __do_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const found = callHandler(cpu, vmf);
  // A driver brings its page unlocked.
  if (!noPage(found) && (found & VM_FAULT_LOCKED) === 0) folio_lock(cpu, vmf.page);
  return found;
}

function callHandler(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const kind = fileKind(cpu.memory, vm_file(cpu.memory, liveVma(vmf)));
  if (kind === FILE_SHMEM) return shmem_fault(cpu, vmf);
  return kind === FILE_DRIVER ? ttm_bo_vm_fault(cpu, vmf) : filemap_fault(cpu, vmf);
}

/**
 * Calling the fault handler of a file: which function serves which kind of file, and whether it may run under the lock of this attempt.
 * @kernel mm/memory.c __do_fault(), vmf_can_call_fault(), vm_ops->fault
 * @fidelity reduced: a table by kind of file instead of function pointers
 * Next: fault/filemap_fault.ts, fault/shmem_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { FILE_DRIVER, FILE_SHMEM, fileKind, hasMapPages } from '../mm/address_space.ts';
import { folioTest, NO_FOLIO, PG_hwpoison } from '../mm/folio.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { release_fault_lock } from './fault_lock.ts';
import { filemap_fault } from './filemap_fault.ts';
import { shmem_fault } from './shmem_fault.ts';
import { ttm_bo_vm_fault } from './ttm_bo_vm_fault.ts';
import {
  FAULT_FLAG_VMA_LOCK,
  liveVma,
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_LOCKED,
  VM_FAULT_NOPAGE,
  VM_FAULT_RETRY,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** The handler has not brought a page. */
export const noPage = (result: VmFaultBits): boolean => (result & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) !== 0;

/**
 * May the file's handlers be called under the lock of this attempt? Handlers that were written for mmap_lock may not (row 10), and 6.6 called none
 * under the VMA lock.
 * @locks in: the fault lock. out: the same with 0; nothing with RETRY, which needs mmap_lock
 */
export function vmf_can_call_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) return 0;
  const file = vm_file(cpu.memory, liveVma(vmf));
  if (cpu.policy.vmaLockFile !== 'map-pages' && hasMapPages(cpu.memory, file)) return 0;
  release_fault_lock(cpu, vmf);
  return VM_FAULT_RETRY;
}

/**
 * Puts the folio, locked and with a reference, into vmf.page, unless noPage().
 * @locks in: the fault lock. out: as handle_mm_fault(); the folio lock besides, unless noPage(). May sleep
 */
export function __do_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const result = callHandler(cpu, vmf);
  if (noPage(result)) return result;
  // A driver brings its page unlocked.
  if ((result & VM_FAULT_LOCKED) === 0) folio_lock(cpu, vmf.page);
  return folioTest(cpu, vmf.page, PG_hwpoison) ? poisoned(cpu, vmf) : result;
}

/** The page's memory is broken: nobody gets to see it. @locks in: the folio lock. out: released, with the reference */
function poisoned(cpu: Cpu, vmf: VmFault): VmFaultBits {
  folio_unlock(cpu, vmf.page);
  folio_put(cpu, vmf.page);
  vmf.page = NO_FOLIO;
  return VM_FAULT_HWPOISON;
}

function callHandler(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const kind = fileKind(cpu.memory, vm_file(cpu.memory, liveVma(vmf)));
  if (kind === FILE_SHMEM) return shmem_fault(cpu, vmf);
  return kind === FILE_DRIVER ? ttm_bo_vm_fault(cpu, vmf) : filemap_fault(cpu, vmf);
}

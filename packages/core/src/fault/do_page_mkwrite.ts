/**
 * Asking the file before one of its pages becomes writable through a mapping: is it still a page of the file, and is there anything to wait for?
 * The file then knows that the page is dirty, before anybody can have written to it.
 *
 *   writing CPU                               truncating CPU
 *   1 finds the entry read-only, drops its lock
 *                                             2 makes the file shorter, zaps the entry
 *                                             3 locks the page, takes it out of the file
 *   4 locks the page: it is nobody's  <- decides: NOPAGE, and the access faults again (R14)
 *
 * @kernel mm/memory.c do_page_mkwrite(); mm/filemap.c filemap_page_mkwrite()
 * @fidelity reduced: files on a disk have one function for it, and no other kind of file has any; no journal, no frozen file systems
 * Next: fault/fault_dirty_shared_page.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { i_size_read } from '../mm/address_space.ts';
import { folioIsOf } from '../mm/filemap.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { count_vm_event, FOLIO_TRUNCATED, PAGE_MKWRITE } from '../trace/counters.ts';
import { AFTER_FOLIO_LOCK, at, BEFORE_PAGE_MKWRITE } from '../trace/points.ts';
import {
  FAULT_FLAG_MKWRITE,
  FAULT_FLAG_WRITE,
  liveVma,
  VM_FAULT_ERROR,
  VM_FAULT_LOCKED,
  VM_FAULT_NOPAGE,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** The page may not be written now. */
export const mkwriteFailed = (result: VmFaultBits): boolean => result === 0 || (result & (VM_FAULT_ERROR | VM_FAULT_NOPAGE)) !== 0;

/**
 * Asks the file. The function sees no flag under which it could drop the fault lock.
 * @locks in: the fault lock, a reference on the folio. out: the same, and with LOCKED the folio lock. May sleep
 * @returns LOCKED, or NOPAGE when the page has left the file (row 26)
 */
export function do_page_mkwrite(cpu: Cpu, vmf: VmFault, pfn: Pfn): VmFaultBits {
  const { flags } = vmf;
  vmf.flags = FAULT_FLAG_WRITE | FAULT_FLAG_MKWRITE;
  at(cpu, BEFORE_PAGE_MKWRITE);
  const result = filemap_page_mkwrite(cpu, vm_file(cpu.memory, liveVma(vmf)), vmf.pgoff, pfn);
  vmf.flags = flags;
  return result;
}

/** Contents need not stand still while they are written out here, so write-back is not waited for. @kernel folio_wait_stable() */
function filemap_page_mkwrite(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): VmFaultBits {
  count_vm_event(cpu, PAGE_MKWRITE);
  folio_lock(cpu, pfn);
  at(cpu, AFTER_FOLIO_LOCK);
  const truncated = !folioIsOf(cpu, pfn, file, index) || index >= i_size_read(cpu, file); // R14, R17
  if (truncated) {
    count_vm_event(cpu, FOLIO_TRUNCATED);
    folio_unlock(cpu, pfn);
    return VM_FAULT_NOPAGE;
  }
  folio_mark_dirty(cpu, pfn);
  return VM_FAULT_LOCKED;
}

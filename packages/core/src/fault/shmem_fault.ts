/**
 * The fault handler of shmem. It waits for pages with the fault lock held and cannot be killed meanwhile: what mainline does for shmem is what the
 * proposal "never drop the lock" would do for every file (row 46). Only a hole punch makes it polite (row 44).
 *
 * @kernel mm/shmem.c shmem_fault(), shmem_falloc_wait(), the part of shmem_get_folio_gfp() that asks userfaultfd
 * @fidelity faithful
 * Next: io/shmem_get_folio.ts, mm/shmem_punch.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import { ENOENT, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { shmem_get_folio } from '../io/shmem_get_folio.ts';
import { i_size_read } from '../mm/address_space.ts';
import { filemap_get_entry } from '../mm/filemap.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { isBeingPunched, punchUnderWay, waitForPunch } from '../mm/shmem_punch.ts';
import { userfaultfd_minor, userfaultfd_missing } from '../mm/userfaultfd_k.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { VM_UFFD_MINOR, VM_UFFD_MISSING } from '../mm/vm_flags.ts';
import { count_vm_event, PGMAJFAULT, SHMEM_FAULTS, SHMEM_HOLE_WAITS } from '../trace/counters.ts';
import { maybe_unlock_mmap_for_io, otherRetry, putFpin } from './fault_lock.ts';
import { handle_userfault } from './handle_userfault.ts';
import {
  liveVma,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/**
 * Puts the folio, locked and with a reference, into vmf.page. @locks in: the fault lock. out: the same, nothing with RETRY (held with NOWAIT); the folio lock with
 * LOCKED. May sleep, uninterruptibly. Rows 44 and 46
 */
export function shmem_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const vma = liveVma(vmf);
  const file = vm_file(cpu.memory, vma);
  count_vm_event(cpu, SHMEM_FAULTS);
  if (punchUnderWay(cpu, file)) {
    const waited = shmem_falloc_wait(cpu, vmf, file);
    if (waited !== 0) return waited;
  }
  const minor = userfaultfd_minor(cpu.memory, vma) && vmf.pgoff < i_size_read(cpu, file) && hasPage(cpu, file, vmf.pgoff);
  if (minor) return handle_userfault(cpu, vmf, VM_UFFD_MINOR);
  const { error, pfn, major } = shmem_get_folio(cpu, file, vmf.pgoff, userfaultfd_missing(cpu.memory, vma) ? 'noalloc' : 'cache');
  if (major) count_vm_event(cpu, PGMAJFAULT);
  if (error === ENOENT) return handle_userfault(cpu, vmf, VM_UFFD_MISSING);
  if (error !== 0) return error === ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
  vmf.page = pfn;
  return major ? VM_FAULT_LOCKED | VM_FAULT_MAJOR : VM_FAULT_LOCKED;
}

/** Does the page cache have the page, in memory or as the number of its swap entry? */
function hasPage(cpu: Cpu, file: MappingId, index: number): boolean {
  const entry = filemap_get_entry(cpu, file, index);
  if (entry > 0) folio_put(cpu, entry as Pfn);
  return entry !== 0;
}

/**
 * A fault that would fill a hole which somebody is punching waits until that is over; otherwise faults could keep the punch busy for ever, and with
 * it everybody who waits for the file. With its lock dropped if it may, else with its lock held.
 * @locks in: the fault lock. out: the same with 0 and NOPAGE, nothing with RETRY @returns 0 when the page is not in the hole
 */
function shmem_falloc_wait(cpu: Cpu, vmf: VmFault, file: MappingId): VmFaultBits {
  if (!isBeingPunched(cpu, file, vmf.pgoff)) return 0;
  count_vm_event(cpu, SHMEM_HOLE_WAITS);
  const dropped = maybe_unlock_mmap_for_io(cpu, vmf);
  waitForPunch(cpu, file, vmf.pgoff);
  if (!dropped) return VM_FAULT_NOPAGE; // The access is made again, and the fault with it.
  putFpin(cpu, vmf);
  return otherRetry(cpu, vmf);
}

/**
 * A fault on a file's page: read, private copy, or shared write.
 * @kernel mm/memory.c do_fault(), do_read_fault(), do_cow_fault(), do_shared_fault()
 * @fidelity reduced: no fault-around and no page_mkwrite yet; the page is always resident
 * Next: fault/filemap_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { folioSet, NO_FOLIO, PG_dirty, readStamp, writeStamp } from '../mm/folio.ts';
import { alloc_page, folio_put } from '../mm/page_alloc.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_SHARED } from '../mm/vm_flags.ts';
import { vmf_anon_prepare } from './fault_lock.ts';
import { filemap_fault } from './filemap_fault.ts';
import { finish_fault } from './finish_fault.ts';
import {
  FAULT_FLAG_WRITE,
  liveVma,
  VM_FAULT_ERROR,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_WRITE) === 0) return do_read_fault(cpu, vmf);
  if ((vm_flags(cpu.memory, liveVma(vmf)) & VM_SHARED) === 0) return do_cow_fault(cpu, vmf);
  return do_shared_fault(cpu, vmf);
}

const failed = (result: VmFaultBits): boolean => (result & (VM_FAULT_ERROR | VM_FAULT_NOPAGE | VM_FAULT_RETRY)) !== 0;

function do_read_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const found = filemap_fault(cpu, vmf);
  if (failed(found)) return found;
  return found | mapOrPut(cpu, vmf);
}

/** The reference from filemap_fault becomes the entry's, unless nothing was mapped. */
function mapOrPut(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const result = finish_fault(cpu, vmf);
  if (failed(result)) folio_put(cpu, vmf.page);
  return result;
}

function do_cow_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const prepared = vmf_anon_prepare(cpu, vmf); // R11
  if (prepared !== 0) return prepared;
  vmf.cow_page = alloc_page(cpu);
  if (vmf.cow_page === NO_FOLIO) return VM_FAULT_OOM;
  const found = filemap_fault(cpu, vmf);
  if (failed(found)) {
    folio_put(cpu, vmf.cow_page);
    return found;
  }
  writeStamp(cpu, vmf.cow_page, readStamp(cpu, vmf.page));
  const result = finish_fault(cpu, vmf);
  folio_put(cpu, vmf.page);
  if (failed(result)) folio_put(cpu, vmf.cow_page);
  return found | result;
}

function do_shared_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const found = filemap_fault(cpu, vmf);
  if (failed(found)) return found;
  folioSet(cpu, vmf.page, PG_dirty);
  return found | mapOrPut(cpu, vmf);
}

/**
 * A read of a page of a file.
 * @kernel mm/memory.c do_read_fault()
 * @fidelity reduced: no fault-around yet; the page is always resident
 * Next: fault/__do_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { __do_fault, noPage } from './__do_fault.ts';
import { finish_fault } from './finish_fault.ts';
import type { VmFault, VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_read_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const found = __do_fault(cpu, vmf);
  if (noPage(found)) return found;
  // The reference of the handler becomes the entry's, unless nothing was mapped.
  const result = finish_fault(cpu, vmf);
  folio_unlock(cpu, vmf.page);
  if (noPage(result)) folio_put(cpu, vmf.page);
  return found | result;
}

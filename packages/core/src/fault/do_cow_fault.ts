/**
 * A write to a page of a private mapping of a file: the page is brought and copied at once.
 * @kernel mm/memory.c do_cow_fault()
 * @fidelity faithful
 * Next: fault/__do_fault.ts
 */

import type { Cpu } from '../cpu.ts';
import { allocOrReclaim } from '../mm/alloc_or_reclaim.ts';
import { NO_FOLIO, readStamp, writeStamp } from '../mm/folio.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { vm_mm } from '../mm/vm_area_struct.ts';
import { __do_fault, noPage, vmf_can_call_fault } from './__do_fault.ts';
import { vmf_anon_prepare } from './fault_lock.ts';
import { finish_fault } from './finish_fault.ts';
import { liveVma, VM_FAULT_OOM, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault(). Row 23 */
export function do_cow_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const refused = vmf_can_call_fault(cpu, vmf);
  if (refused !== 0) return refused;
  const prepared = vmf_anon_prepare(cpu, vmf); // R11
  if (prepared !== 0) return prepared;
  vmf.cow_page = allocOrReclaim(cpu, vm_mm(cpu.memory, liveVma(vmf)));
  if (vmf.cow_page === NO_FOLIO) return VM_FAULT_OOM;
  const found = __do_fault(cpu, vmf);
  if (noPage(found)) {
    folio_put(cpu, vmf.cow_page);
    return found;
  }
  writeStamp(cpu, vmf.cow_page, readStamp(cpu, vmf.page));
  const result = finish_fault(cpu, vmf);
  folio_unlock(cpu, vmf.page);
  folio_put(cpu, vmf.page);
  if (noPage(result)) folio_put(cpu, vmf.cow_page);
  return found | result;
}

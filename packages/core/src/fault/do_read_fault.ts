/**
 * A read of a page of a file: what is resident is mapped, with its neighbours; otherwise the file is asked.
 * @kernel mm/memory.c do_read_fault()
 * @fidelity faithful
 * Next: fault/filemap_map_pages.ts, fault/__do_fault.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get } from '../mm/folio.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { MUTANT_B53 } from '../mutants/ids.ts';
import { __do_fault, noPage, vmf_can_call_fault } from './__do_fault.ts';
import { do_fault_around, should_fault_around } from './filemap_map_pages.ts';
import { finish_fault } from './finish_fault.ts';
import type { VmFault, VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault(). Rows 9 to 22 */
export function do_read_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if (should_fault_around(cpu, vmf)) {
    const around = do_fault_around(cpu, vmf);
    if (around !== 0) return around;
  }
  const refused = vmf_can_call_fault(cpu, vmf);
  if (refused !== 0) return refused;
  const found = __do_fault(cpu, vmf);
  if (noPage(found)) return found;
  if (cpu.mutant === MUTANT_B53) letGoTooEarly(cpu, vmf.page);
  // The reference of the handler becomes the entry's, unless nothing was mapped.
  const result = finish_fault(cpu, vmf);
  if (cpu.mutant === MUTANT_B53) return noPage(result) ? found | result : withReference(cpu, vmf.page, found | result);
  folio_unlock(cpu, vmf.page);
  if (noPage(result)) folio_put(cpu, vmf.page);
  return found | result;
}

/** B53: nothing keeps the page until the entry has a reference to it. */
function letGoTooEarly(cpu: Cpu, pfn: Pfn): void {
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
}

function withReference(cpu: Cpu, pfn: Pfn, result: VmFaultBits): VmFaultBits {
  folio_get(cpu, pfn);
  return result;
}

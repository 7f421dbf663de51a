/**
 * A write to a page of a shared mapping that is not mapped yet.
 * @kernel mm/memory.c do_shared_fault()
 * @fidelity faithful
 * Next: fault/fault_dirty_shared_page.ts
 */
import type { Cpu } from '../cpu.ts';
import { mapping_can_writeback } from '../mm/address_space.ts';
import { folioTest, PG_swapbacked } from '../mm/folio.ts';
import { folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { __do_fault, noPage, vmf_can_call_fault } from './__do_fault.ts';
import { do_page_mkwrite, mkwriteFailed } from './do_page_mkwrite.ts';
import { fault_dirty_shared_page } from './fault_dirty_shared_page.ts';
import { finish_fault } from './finish_fault.ts';
import { liveVma, VM_FAULT_MAJOR, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault(). Rows 24 to 26 */
export function do_shared_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const refused = vmf_can_call_fault(cpu, vmf);
  if (refused !== 0) return refused;
  const found = __do_fault(cpu, vmf);
  if (noPage(found)) return found;
  const { page } = vmf;
  if (mapping_can_writeback(cpu.memory, vm_file(cpu.memory, liveVma(vmf)))) {
    folio_unlock(cpu, page);
    const asked = do_page_mkwrite(cpu, vmf, page);
    if (mkwriteFailed(asked)) {
      folio_put(cpu, page);
      return asked;
    }
  }
  const mapped = finish_fault(cpu, vmf);
  if (noPage(mapped)) {
    folio_unlock(cpu, page);
    folio_put(cpu, page);
    return found | mapped;
  }
  // The reference is the entry's now, and the entry may go. The lock keeps the page in its file, and so alive.
  // A page that this fault brought back from swap has been dirty since then, by this fault.
  return found | mapped | fault_dirty_shared_page(cpu, vmf, page, (found & VM_FAULT_MAJOR) !== 0 && folioTest(cpu, page, PG_swapbacked));
}

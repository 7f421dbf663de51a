/**
 * A write to a page of a shared mapping.
 * @kernel mm/memory.c do_shared_fault()
 * @fidelity reduced: no page_mkwrite and no dirty throttling yet
 * Next: fault/__do_fault.ts
 */
import type { Cpu } from '../cpu.ts';
import { folioSet, PG_dirty } from '../mm/folio.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { __do_fault, noPage } from './__do_fault.ts';
import { finish_fault } from './finish_fault.ts';
import type { VmFault, VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_shared_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const found = __do_fault(cpu, vmf);
  if (noPage(found)) return found;
  folioSet(cpu, vmf.page, PG_dirty);
  const result = finish_fault(cpu, vmf);
  if (noPage(result)) folio_put(cpu, vmf.page);
  return found | result;
}

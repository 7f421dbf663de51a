/**
 * The file's part of a fault: bring the page. Here every page is resident, so it neither waits nor drops the fault lock.
 * @kernel mm/filemap.c filemap_fault()
 * @fidelity reduced: resident pages only
 * Next: mm/filemap.ts
 */
import type { Cpu } from '../cpu.ts';
import { i_size } from '../mm/address_space.ts';
import { filemapGetResident } from '../mm/filemap.ts';
import { NO_FOLIO } from '../mm/folio.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { liveVma, VM_FAULT_OOM, VM_FAULT_SIGBUS, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** Puts the folio, with a reference, into vmf.page. @locks in and out: the fault lock. Row 11 and 21 */
export function filemap_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const file = vm_file(cpu.memory, liveVma(vmf));
  if (vmf.pgoff >= i_size(cpu.memory, file)) return VM_FAULT_SIGBUS; // R17
  vmf.page = filemapGetResident(cpu, file, vmf.pgoff);
  return vmf.page === NO_FOLIO ? VM_FAULT_OOM : 0;
}

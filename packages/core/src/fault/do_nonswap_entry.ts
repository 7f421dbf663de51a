/**
 * A fault on an entry that is in no swap area.
 *
 *   entry                what happens                                                    row
 *   migration            waits, with the fault lock held, until the page has arrived      38
 *   device-exclusive     takes the page back from the device                              41
 *   device-private       under the VMA lock: RETRY. Else the driver brings the page       39, 40
 *   poison               the access gets a signal                                         42
 *   marker               handle_pte_marker
 *
 * Row 39 stays a plain RETRY under every policy: a driver's migrate_to_ram() was written for mmap_lock.
 * @kernel mm/memory.c do_swap_page(), its part for non_swap_entry()
 * @fidelity faithful
 * Next: mm/migration_entry_wait.ts, fault/migrate_to_ram.ts, fault/remove_device_exclusive_entry.ts, fault/handle_pte_marker.ts
 */
import { InvariantError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { migration_entry_wait } from '../mm/migration_entry_wait.ts';
import {
  is_device_exclusive_entry,
  is_device_private_entry,
  is_hwpoison_entry,
  is_migration_entry,
  is_pte_marker_entry,
  pte_to_swp_entry,
} from '../mm/swap_entry.ts';
import { MUTANT_B50 } from '../mutants/ids.ts';
import { count_vm_event, DEVICE_PRIVATE_FAULTS, POISON_FAULTS } from '../trace/counters.ts';
import { release_fault_lock } from './fault_lock.ts';
import { handle_pte_marker } from './handle_pte_marker.ts';
import { migrate_to_ram } from './migrate_to_ram.ts';
import { remove_device_exclusive_entry } from './remove_device_exclusive_entry.ts';
import { FAULT_FLAG_VMA_LOCK, VM_FAULT_HWPOISON, VM_FAULT_RETRY, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock; orig_pte is in no swap area. out: as handle_mm_fault() */
export function do_nonswap_entry(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const swp = pte_to_swp_entry(vmf.orig_pte);
  if (is_migration_entry(swp)) {
    if (cpu.mutant === MUTANT_B50) release_fault_lock(cpu, vmf);
    migration_entry_wait(cpu, vmf.table, vmf.vpn);
    return 0;
  }
  if (is_device_exclusive_entry(swp)) return remove_device_exclusive_entry(cpu, vmf);
  if (is_device_private_entry(swp)) {
    count_vm_event(cpu, DEVICE_PRIVATE_FAULTS);
    if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) return migrate_to_ram(cpu, vmf);
    release_fault_lock(cpu, vmf);
    return VM_FAULT_RETRY;
  }
  if (is_hwpoison_entry(swp)) {
    count_vm_event(cpu, POISON_FAULTS);
    return VM_FAULT_HWPOISON;
  }
  if (is_pte_marker_entry(swp)) return handle_pte_marker(cpu, vmf);
  throw new InvariantError('I23', 'do_nonswap_entry: an entry of no kind');
}

/**
 * A fault on an entry that is neither empty nor present.
 * @kernel mm/memory.c do_swap_page()
 * @fidelity reduced: entries that are in no swap area
 * Next: fault/do_nonswap_entry.ts
 */
import { invariant } from '../base/assert.ts';
import type { Cpu } from '../cpu.ts';
import { non_swap_entry, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { do_nonswap_entry } from './do_nonswap_entry.ts';
import { release_fault_lock } from './fault_lock.ts';
import { FAULT_FLAG_VMA_LOCK, VM_FAULT_RETRY, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_swap_page(cpu: Cpu, vmf: VmFault): VmFaultBits {
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0 && !cpu.policy.vmaLockSwap) {
    release_fault_lock(cpu, vmf);
    return VM_FAULT_RETRY;
  }
  invariant(non_swap_entry(pte_to_swp_entry(vmf.orig_pte)), 'I23', 'do_swap_page: an entry of a swap area');
  return do_nonswap_entry(cpu, vmf);
}

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
import type { VmFault, VmFaultBits } from './vm_fault.ts';

/** @locks in: the fault lock. out: as handle_mm_fault() */
export function do_swap_page(cpu: Cpu, vmf: VmFault): VmFaultBits {
  invariant(non_swap_entry(pte_to_swp_entry(vmf.orig_pte)), 'I23', 'do_swap_page: an entry of a swap area');
  return do_nonswap_entry(cpu, vmf);
}

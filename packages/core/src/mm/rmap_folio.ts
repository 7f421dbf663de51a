/**
 * Which folio an entry maps, as rmap counts it: a present entry its frame, but also an entry that a CPU cannot use, for a page that lives in a
 * device or that a device has for itself. An entry of a page that is being moved, is broken, or is in swap maps nothing.
 * @kernel mm/memory.c vm_normal_folio(), include/linux/swapops.h pfn_swap_entry_folio()
 * @fidelity faithful
 * Next: mm/zap_nonpresent.ts
 */
import type { Pfn, Pte } from '../base/brand.ts';
import { NO_FOLIO } from './folio.ts';
import { pte_pfn, pte_present, pte_special } from './pte.ts';
import { is_device_exclusive_entry, is_device_private_entry, is_swap_pte, pfn_swap_entry_to_page, pte_to_swp_entry } from './swap_entry.ts';

/** The folio that has a reference and a mapping from this entry, or NO_FOLIO. */
export function rmapFolio(pte: Pte): Pfn {
  if (pte_present(pte)) return pte_special(pte) ? NO_FOLIO : pte_pfn(pte);
  if (!is_swap_pte(pte)) return NO_FOLIO;
  const swp = pte_to_swp_entry(pte);
  return is_device_private_entry(swp) || is_device_exclusive_entry(swp) ? pfn_swap_entry_to_page(swp) : NO_FOLIO;
}

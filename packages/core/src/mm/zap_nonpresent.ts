/**
 * Zapping an entry that is neither empty nor present: what leads to swap gives the slot back; what stands for a page of a device
 * gives the page back; a page that is being moved loses
 * this user, and the mover will not find the entry; a mark goes or stays, depending on why the range is zapped.
 *
 *   entry                    discarding (MADV_DONTNEED)        unmapping
 *   in swap                  the slot is given back            the same
 *   device-private           the device's page is given back   the same
 *   device-exclusive         the page is given back            the same
 *   migration, poisoned page goes                              goes
 *   marker: poison           goes                              goes
 *   marker: guard            stays                             goes
 *   marker: write-protected  goes from anonymous areas         goes
 *
 * @kernel mm/memory.c zap_nonpresent_ptes()
 * @fidelity reduced: pages under migration are not in the resident set
 * Next: mm/zap.ts
 */
import type { Pte, VmaId, Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { TRACE_ZAP_PTE } from '../trace/events.ts';
import { trace } from '../trace/trace_ring.ts';
import { NO_FOLIO } from './folio.ts';
import { swapEntsWord } from './mm_struct.ts';
import type { MmuGather } from './mmu_gather.ts';
import { ptep_get_and_clear } from './page_table.ts';
import { folio_remove_rmap_pte } from './rmap.ts';
import { rmapFolio } from './rmap_folio.ts';
import {
  is_pte_marker_entry,
  non_swap_entry,
  PTE_MARKER_GUARD,
  PTE_MARKER_POISONED,
  pte_marker_get,
  pte_to_swp_entry,
} from './swap_entry.ts';
import { free_swap_and_cache } from './swap_state.ts';
import { vm_mm, vma_is_anonymous } from './vm_area_struct.ts';

/** What happens to marks: a range that is discarded keeps those that belong to the range and not to its pages. @kernel ZAP_FLAG_DROP_MARKER */
export type MarkerFate = 'keep' | 'drop';

/** @param pte what the entry holds, neither empty nor present. @locks in: as zapRange(), the page-table lock */
export function zap_nonpresent_pte(cpu: Cpu, tlb: MmuGather, vma: VmaId, vpn: Vpn, entry: Word, pte: Pte, markers: MarkerFate): void {
  const swp = pte_to_swp_entry(pte);
  if (is_pte_marker_entry(swp) && markers === 'keep' && staysInPlace(cpu, vma, pte_marker_get(swp))) return;
  ptep_get_and_clear(cpu, entry);
  trace(cpu, TRACE_ZAP_PTE, vpn, pte);
  if (!non_swap_entry(swp)) {
    atomic_fetch_add(cpu, swapEntsWord(cpu.memory, vm_mm(cpu.memory, vma)), -1); // Alone: a count.
    free_swap_and_cache(cpu, swp);
    return;
  }
  const pfn = rmapFolio(pte);
  if (pfn === NO_FOLIO) return;
  folio_remove_rmap_pte(cpu, pfn, vma);
  tlb.pages.push(pfn);
}

function staysInPlace(cpu: Cpu, vma: VmaId, marker: number): boolean {
  if ((marker & PTE_MARKER_GUARD) !== 0) return true;
  return (marker & PTE_MARKER_POISONED) === 0 && !vma_is_anonymous(cpu.memory, vma);
}

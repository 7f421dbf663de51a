/**
 * Takes a page away from everybody who maps it. Where an entry led to an anonymous page it leads to the page's slot in swap afterwards; it
 * remembers if it was the only one, so that the page can be written in place when it comes back.
 *
 *   reclaiming CPU (folio locked)             accessing CPU
 *   1 clears the entry
 *                                             2 writes through its old translation: the dirty bit is set, or the write waits for 3
 *   3 flushes
 *   4 was it dirty? the folio is  <- decides: after the flush no write is on its way any more
 *   5 entry = swap entry
 *
 * @kernel mm/rmap.c try_to_unmap(), try_to_unmap_one()
 * @fidelity reduced: flushes entry by entry, not in one batch
 * Next: reclaim/shrink_folio_list.ts
 */
import type { Pfn, Pte, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import {
  folio_mapcount,
  folio_maybe_dma_pinned,
  folio_ref_count,
  folio_test_anon,
  folioClear,
  folioSet,
  folioSwapEntry,
  folioTest,
  PG_anon_exclusive,
  PG_dirty,
  PG_swapbacked,
} from '../mm/folio.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { swapEntsWord } from '../mm/mm_struct.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { ptep_get, ptep_get_and_clear, set_pte_at } from '../mm/page_table.ts';
import { PTE_UFFD_WP, pte_dirty, pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_install_uffd_wp_if_needed } from '../mm/pte_install_uffd_wp.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_remove_rmap_pte, type RmapHit } from '../mm/rmap.ts';
import { rmapWalkAnonLocked } from '../mm/rmap_anon.ts';
import { rmap_walk_file } from '../mm/rmap_file.ts';
import { pte_swp_mkexclusive, pte_swp_mkuffd_wp, swp_entry_to_pte } from '../mm/swap_entry.ts';
import { swap_duplicate } from '../mm/swapfile.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_LOCKED } from '../mm/vm_flags.ts';

/**
 * Unmaps a folio; whether that went all the way shows in its mapcount. An anonymous one is in the swap cache, or lazily freed (not PG_swapbacked).
 * @locks in: the folio's, and a reference. Takes the anon_vma or i_mmap lock; may sleep
 */
export function try_to_unmap(cpu: Cpu, pfn: Pfn): void {
  if (folio_test_anon(cpu, pfn)) rmapWalkAnonLocked(cpu, pfn, (hit) => unmapAnon(cpu, pfn, hit));
  else rmap_walk_file(cpu, pfn, (hit) => unmapFile(cpu, pfn, hit));
}

/** A dirty page goes on being dirty without the entry. @returns whether to go on with the next entry */
function unmapFile(cpu: Cpu, pfn: Pfn, hit: RmapHit): boolean {
  const entry = pte_offset_map_lock(cpu, hit.table, hit.vpn);
  const pte = ptep_get(cpu, entry);
  const mine = pte_present(pte) && !pte_special(pte) && pte_pfn(pte) === pfn;
  const stays = mine && isMlocked(cpu, hit);
  if (mine && !stays) {
    const old = clearFlush(cpu, pfn, hit);
    pte_install_uffd_wp_if_needed(cpu, hit.vma, hit.entry, old);
    folio_remove_rmap_pte(cpu, pfn, hit.vma);
    folio_put(cpu, pfn); // The entry's; ours stays.
  }
  pte_unmap_unlock(cpu, hit.table);
  return !stays;
}

/** @locks in: the page-table lock. @returns whether to go on with the next entry */
function unmapAnon(cpu: Cpu, pfn: Pfn, hit: RmapHit): boolean {
  if (isMlocked(cpu, hit)) return false;
  const old = clearFlush(cpu, pfn, hit);
  const kept = folioTest(cpu, pfn, PG_swapbacked) ? toSwap(cpu, pfn, hit, old) : discard(cpu, pfn);
  if (kept === 'keep') {
    set_pte_at(cpu, hit.entry, old);
    return false;
  }
  folio_remove_rmap_pte(cpu, pfn, hit.vma);
  folio_put(cpu, pfn); // The entry's; ours stays.
  return true;
}

/** A page of an area that is locked in memory is not for reclaim. */
const isMlocked = (cpu: Cpu, { vma }: RmapHit): boolean => (vm_flags(cpu.memory, vma) & VM_LOCKED) !== 0;

/** Clears the entry and flushes; a dirty bit moves to the folio. @returns the entry as it was */
function clearFlush(cpu: Cpu, pfn: Pfn, { vma, vpn, entry }: RmapHit): Pte {
  const old = ptep_get_and_clear(cpu, entry);
  flush_tlb_range(cpu, vm_mm(cpu.memory, vma), vpn, (vpn + 1) as Vpn);
  if (pte_dirty(old)) folio_mark_dirty(cpu, pfn); // Pairs with: the test of reclaim after it has frozen the references.
  return old;
}

function toSwap(cpu: Cpu, pfn: Pfn, { vma, entry }: RmapHit, old: Pte): 'gone' | 'keep' {
  const exclusive = folioTest(cpu, pfn, PG_anon_exclusive);
  // Somebody may write to a pinned page without an entry: it must stay this page.
  if (exclusive && folio_maybe_dma_pinned(cpu, pfn)) return 'keep';
  const slot = folioSwapEntry(cpu.memory, pfn);
  swap_duplicate(cpu, slot);
  if (exclusive) folioClear(cpu, pfn, PG_anon_exclusive);
  let pte = swp_entry_to_pte(slot);
  if (exclusive) pte = pte_swp_mkexclusive(pte);
  if ((old & PTE_UFFD_WP) !== 0) pte = pte_swp_mkuffd_wp(pte);
  atomic_fetch_add(cpu, swapEntsWord(cpu.memory, vm_mm(cpu.memory, vma)), 1); // Alone: a count.
  set_pte_at(cpu, entry, pte);
  return 'gone';
}

/** A lazily freed page goes, unless it was written since or somebody uses it: then it is a page like others again, or stays for now. */
function discard(cpu: Cpu, pfn: Pfn): 'gone' | 'keep' {
  const others = folio_ref_count(cpu, pfn) !== 1 + folio_mapcount(cpu, pfn);
  if (folioTest(cpu, pfn, PG_dirty)) {
    folioSet(cpu, pfn, PG_swapbacked);
    return 'keep';
  }
  return others ? 'keep' : 'gone';
}

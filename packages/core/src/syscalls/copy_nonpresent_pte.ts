/**
 * fork of a page that is not present.
 *
 *   entry                    the child gets                       the parent's becomes
 *   in swap                  the same slot                        without the mark of the only user
 *   migration, writable      the same, but not writable           the same, but not writable
 *   device-private           the same, with a reference           not writable
 *   device-exclusive         what a present entry gets            present again: the device has lost it
 *   poison                   the same                             -
 *   marker                   the same; userfaultfd's own only in an area of it
 *
 * @kernel mm/memory.c copy_nonpresent_pte(), copy_pte_marker()
 * @fidelity reduced: pages under migration are not in the resident set
 * Next: syscalls/dup_mmap.ts
 */
import type { Pte, VmaId, Word } from '../base/brand.ts';
import { EBUSY } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { try_restore_exclusive_pte } from '../mm/device_exclusive.ts';
import { folio_get, folioClear, PG_anon_exclusive } from '../mm/folio.ts';
import { swapEntsWord } from '../mm/mm_struct.ts';
import { set_pte_at } from '../mm/page_table.ts';
import { PTE_UFFD_WP } from '../mm/pte.ts';
import { folio_add_rmap_pte } from '../mm/rmap.ts';
import {
  is_device_exclusive_entry,
  is_device_private_entry,
  is_migration_entry,
  is_pte_marker_entry,
  is_readable_migration_entry,
  is_writable_device_private_entry,
  make_pte_marker,
  make_readable_device_private_entry,
  make_readable_migration_entry,
  non_swap_entry,
  PTE_MARKER_GUARD,
  PTE_MARKER_POISONED,
  PTE_MARKER_UFFD_WP,
  pfn_swap_entry_to_page,
  pte_marker_get,
  pte_swp_clear_exclusive,
  pte_swp_clear_uffd_wp,
  pte_to_swp_entry,
  swp_entry_to_pte,
} from '../mm/swap_entry.ts';
import { swap_duplicate } from '../mm/swapfile.ts';
import { userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { is_cow_mapping } from '../mm/vm_flags.ts';

/** The parent's entry is present now: copy it as one. */
export const NOW_PRESENT = 1;

/**
 * @param copy the child's area. @param vma the parent's. @param pte the parent's entry, neither empty nor present
 * @locks in: both page-table locks. @returns 0, NOW_PRESENT, or EBUSY when a device's page is locked
 */
export function copy_nonpresent_pte(cpu: Cpu, copy: VmaId, vma: VmaId, source: Word, target: Word, pte: Pte): number {
  const swp = pte_to_swp_entry(pte);
  if (!non_swap_entry(swp)) {
    copySwapped(cpu, copy, source, target, pte);
    return 0;
  }
  if (is_device_exclusive_entry(swp)) return try_restore_exclusive_pte(cpu, vma, source, pte) ? NOW_PRESENT : EBUSY;
  if (is_pte_marker_entry(swp)) {
    const marker = copy_pte_marker(cpu, copy, pte_marker_get(swp));
    if (marker !== 0) set_pte_at(cpu, target, make_pte_marker(marker));
    return 0;
  }
  if (is_device_private_entry(swp)) {
    const pfn = pfn_swap_entry_to_page(swp);
    folio_get(cpu, pfn);
    folio_add_rmap_pte(cpu, pfn, copy);
    folioClear(cpu, pfn, PG_anon_exclusive);
  }
  const shared = sharedEntry(cpu, vma, source, pte);
  set_pte_at(cpu, target, userfaultfd_wp(cpu.memory, copy) ? shared : pte_swp_clear_uffd_wp(shared));
  return 0;
}

/** The child's entry leads to the same slot. Neither may write in place when the page comes back: others see it. */
function copySwapped(cpu: Cpu, copy: VmaId, source: Word, target: Word, pte: Pte): void {
  swap_duplicate(cpu, pte_to_swp_entry(pte));
  const shared = pte_swp_clear_exclusive(pte);
  if (shared !== pte) set_pte_at(cpu, source, shared);
  atomic_fetch_add(cpu, swapEntsWord(cpu.memory, vm_mm(cpu.memory, copy)), 1); // Alone: a count.
  set_pte_at(cpu, target, userfaultfd_wp(cpu.memory, copy) ? shared : pte_swp_clear_uffd_wp(shared));
}

/** What the child keeps of a mark. */
function copy_pte_marker(cpu: Cpu, copy: VmaId, marker: number): number {
  const kept = PTE_MARKER_GUARD | PTE_MARKER_POISONED | (userfaultfd_wp(cpu.memory, copy) ? PTE_MARKER_UFFD_WP : 0);
  return marker & kept;
}

/** Writable no more where the page is private: it has two users now. @returns what the parent's entry is from now on */
function sharedEntry(cpu: Cpu, vma: VmaId, source: Word, pte: Pte): Pte {
  const swp = pte_to_swp_entry(pte);
  if (!is_cow_mapping(vm_flags(cpu.memory, vma))) return pte;
  const pfn = pfn_swap_entry_to_page(swp);
  let shared = swp;
  if (is_migration_entry(swp) && !is_readable_migration_entry(swp)) shared = make_readable_migration_entry(pfn);
  else if (is_writable_device_private_entry(swp)) shared = make_readable_device_private_entry(pfn);
  if (shared === swp) return pte;
  const changed = (swp_entry_to_pte(shared) | (pte & PTE_UFFD_WP)) as Pte;
  set_pte_at(cpu, source, changed);
  return changed;
}

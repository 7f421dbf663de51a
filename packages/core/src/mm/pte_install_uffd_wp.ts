/**
 * The mark that a page of a file leaves behind when its entry goes while its contents stay: the page is write-protected for a userfaultfd handler, and
 * must be again when it is mapped again. Anonymous pages need none: when they go, their contents go, or a swap entry has the mark.
 * @kernel mm/memory.c, include/linux/mm_inline.h pte_install_uffd_wp_if_needed()
 * @fidelity faithful
 * Next: fault/handle_pte_marker.ts
 */
import type { Pte, VmaId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { set_pte_at } from './page_table.ts';
import { pte_uffd_wp } from './pte.ts';
import { is_pte_marker, make_pte_marker, PTE_MARKER_UFFD_WP } from './swap_entry.ts';
import { userfaultfd_wp } from './userfaultfd_k.ts';
import { vma_is_anonymous } from './vm_area_struct.ts';

/**
 * Leaves the mark in an entry that has just been cleared, if what it held (present, or in swap) was protected.
 * @param was what the entry held. @locks in: the page-table lock
 */
export function pte_install_uffd_wp_if_needed(cpu: Cpu, vma: VmaId, entry: Word, was: Pte): void {
  if (vma_is_anonymous(cpu.memory, vma) || !userfaultfd_wp(cpu.memory, vma)) return;
  if (pte_uffd_wp(was) && !is_pte_marker(was)) set_pte_at(cpu, entry, make_pte_marker(PTE_MARKER_UFFD_WP));
}

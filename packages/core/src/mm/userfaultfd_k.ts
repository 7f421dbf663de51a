/**
 * What the rest of the kernel asks about an area's registration with userfaultfd.
 * @kernel include/linux/userfaultfd_k.h
 * @fidelity reduced: no asynchronous write protection
 * Next: mm/userfaultfd_ctx.ts
 */
import type { Pte, UffdId, VmaId } from '../base/brand.ts';
import { NO_UFFD } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { PTE_NONE, pte_clear_uffd_wp, pte_mkuffd_wp, pte_uffd_wp } from './pte.ts';
import { make_pte_marker, PTE_MARKER_UFFD_WP } from './swap_entry.ts';
import { UFFD_FEATURE_EVENT_REMAP, UFFD_FEATURE_WP_UNPOPULATED, uffdFeatures } from './userfaultfd_ctx.ts';
import { set_vm_userfaultfd_ctx, vm_flags, vm_flags_reset, vm_userfaultfd_ctx, vma_is_anonymous } from './vm_area_struct.ts';
import { VM_UFFD_FLAGS, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from './vm_flags.ts';
import { vma_start_write } from './vma_lock.ts';

export const userfaultfd_missing = (m: SharedMemory, vma: VmaId): boolean => (vm_flags(m, vma) & VM_UFFD_MISSING) !== 0;
export const userfaultfd_wp = (m: SharedMemory, vma: VmaId): boolean => (vm_flags(m, vma) & VM_UFFD_WP) !== 0;
export const userfaultfd_minor = (m: SharedMemory, vma: VmaId): boolean => (vm_flags(m, vma) & VM_UFFD_MINOR) !== 0;
export const userfaultfd_armed = (m: SharedMemory, vma: VmaId): boolean => (vm_flags(m, vma) & VM_UFFD_FLAGS) !== 0;
/** Is the present entry write-protected for userfaultfd, in an area where that still counts? */
export const userfaultfd_pte_wp = (m: SharedMemory, vma: VmaId, pte: Pte): boolean => userfaultfd_wp(m, vma) && pte_uffd_wp(pte);
/** Mapping a page's neighbours along would make faults that a handler wants to see disappear. */
export const uffd_disable_fault_around = (m: SharedMemory, vma: VmaId): boolean => (vm_flags(m, vma) & (VM_UFFD_WP | VM_UFFD_MINOR)) !== 0;
/** Does write protection of a page that is not there leave a mark in its entry? */
export function userfaultfd_wp_use_markers(m: SharedMemory, vma: VmaId): boolean {
  if (!userfaultfd_wp(m, vma)) return false;
  return !vma_is_anonymous(m, vma) || (uffdFeatures(m, vm_userfaultfd_ctx(m, vma)) & UFFD_FEATURE_WP_UNPOPULATED) !== 0;
}
/** Registered with a context that does not want to know of moves: the new place is not registered, and its entries lose their protection. */
export function vma_has_uffd_without_event_remap(m: SharedMemory, vma: VmaId): boolean {
  const ctx = vm_userfaultfd_ctx(m, vma);
  return ctx !== NO_UFFD && (uffdFeatures(m, ctx) & UFFD_FEATURE_EVENT_REMAP) === 0;
}

/** A new entry, write-protected if the mark that it replaces says so. @kernel vmf_orig_pte_uffd_wp() */
export const protectedLike = (replaced: Pte, pte: Pte): Pte =>
  replaced === make_pte_marker(PTE_MARKER_UFFD_WP) ? pte_mkuffd_wp(pte) : pte;
/** An entry of any kind, or none, without what a userfaultfd handler's write protection has put into it. */
export const withoutUffdWp = (pte: Pte): Pte => (pte === make_pte_marker(PTE_MARKER_UFFD_WP) ? PTE_NONE : pte_clear_uffd_wp(pte));

/** @locks in: mmap write. out: VMA write on the area. May sleep */
export function userfaultfd_set_ctx(cpu: Cpu, vma: VmaId, ctx: UffdId, flags: number): void {
  const m = cpu.memory;
  vma_start_write(cpu, vma);
  set_vm_userfaultfd_ctx(m, vma, ctx);
  vm_flags_reset(m, vma, (vm_flags(m, vma) & ~VM_UFFD_FLAGS) | flags);
}

/** The area is registered no more. @locks in: mmap write. out: VMA write on the area. May sleep */
export const userfaultfd_reset_ctx = (cpu: Cpu, vma: VmaId): void => userfaultfd_set_ctx(cpu, vma, NO_UFFD, 0);

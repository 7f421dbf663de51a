/**
 * May an entry of an area be writable from the start, or must the first write fault? A file that is written back wants to hear of it; so does a
 * userfaultfd that protects pages. All other shared memory is writable at once, also when a read mapped it.
 * @kernel mm/vma.c vma_wants_writenotify(), vma_set_page_prot(); mm/mprotect.c can_change_shared_pte_writable()
 * @fidelity reduced: no soft-dirty; computed each time instead of kept in the area
 * Next: fault/finish_fault.ts, syscalls/change_protection.ts
 */
import type { VmaId } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { mapping_can_writeback } from './address_space.ts';
import { PTE_RW, protectionBits } from './pte.ts';
import { vm_file, vm_flags } from './vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_SHARED, VM_UFFD_WP, VM_WRITE } from './vm_flags.ts';

const SHARED_AND_WRITABLE = VM_SHARED | VM_WRITE;

/** The area is shared and may be written, and each clean page must fault first. @locks in: mmap_lock or the VMA lock */
export function vma_wants_writenotify(m: SharedMemory, vma: VmaId): boolean {
  const flags = vm_flags(m, vma);
  if ((flags & SHARED_AND_WRITABLE) !== SHARED_AND_WRITABLE) return false;
  const file = vm_file(m, vma);
  return (flags & VM_UFFD_WP) !== 0 || (file !== NO_MAPPING && mapping_can_writeback(m, file));
}

/** Protection bits of every entry of the area. Private memory becomes writable page by page. @locks in: mmap_lock or the VMA lock */
export function vm_page_prot(m: SharedMemory, vma: VmaId): number {
  const flags = vm_flags(m, vma);
  const bits = protectionBits((flags & VM_ACCESS_FLAGS) !== 0);
  const writable = (flags & SHARED_AND_WRITABLE) === SHARED_AND_WRITABLE && !vma_wants_writenotify(m, vma);
  return writable ? bits | PTE_RW : bits;
}

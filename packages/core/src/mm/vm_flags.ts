/**
 * Flags of an area.
 * @kernel include/linux/mm.h (VM_*), include/linux/mman.h calc_vm_flag_bits(), calc_vm_prot_bits()
 * @fidelity reduced: the flags that decide access, merging, copying and accounting
 * Next: mm/vm_area_struct.ts
 */
import { MAP_GROWSDOWN, MAP_LOCKED, MAP_STACK, PROT_EXEC, PROT_READ, PROT_WRITE } from './mman.ts';

export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
export const VM_MAYSHARE = 0x80;
export const VM_GROWSDOWN = 0x100;
export const VM_UFFD_MISSING = 0x200;
export const VM_PFNMAP = 0x400;
export const VM_UFFD_WP = 0x1000;
export const VM_LOCKED = 0x2000;
export const VM_IO = 0x4000;
export const VM_SEQ_READ = 0x8000;
export const VM_RAND_READ = 0x10000;
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
export const VM_LOCKONFAULT = 0x80000;
export const VM_ACCOUNT = 0x100000;
export const VM_NORESERVE = 0x200000;
export const VM_WIPEONFORK = 0x2000000;
export const VM_DONTDUMP = 0x4000000;
export const VM_MIXEDMAP = 0x10000000;
/** userfaultfd reports pages that are in the page cache but not mapped. @kernel VM_UFFD_MINOR, bit 38 there; a free bit here */
export const VM_UFFD_MINOR = 0x800000;
export const VM_HUGEPAGE = 0x20000000;
export const VM_NOHUGEPAGE = 0x40000000;

export const VM_ACCESS_FLAGS: number = VM_READ | VM_WRITE | VM_EXEC;
/** Areas with one of these never merge. */
export const VM_SPECIAL: number = VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP;
export const VM_LOCKED_MASK: number = VM_LOCKED | VM_LOCKONFAULT;
/** @kernel __VM_UFFD_FLAGS */
export const VM_UFFD_FLAGS: number = VM_UFFD_MISSING | VM_UFFD_WP | VM_UFFD_MINOR;

/** Protection bits of mmap and mprotect as area flags. PROT_* and VM_* have the same values for the three. */
export function calc_vm_prot_bits(prot: number): number {
  return prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/** The flags of mmap that become flags of the area. MAP_STACK asks for no huge pages, which keeps thread stacks from merging. */
export function calc_vm_flag_bits(flags: number): number {
  let bits = 0;
  if ((flags & MAP_GROWSDOWN) !== 0) bits |= VM_GROWSDOWN;
  if ((flags & MAP_LOCKED) !== 0) bits |= VM_LOCKED;
  if ((flags & MAP_STACK) !== 0) bits |= VM_NOHUGEPAGE;
  return bits;
}

/** Private and possibly written: its pages are copied on write. */
export function is_cow_mapping(flags: number): boolean {
  return (flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
}

/** Private and writable: counts against the commit limit. */
export function accountable_mapping(flags: number): boolean {
  return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE;
}

/** "rw-p" as in /proc/PID/maps. */
export function protString(flags: number): string {
  const letter = (bit: number, name: string): string => ((flags & bit) !== 0 ? name : '-');
  return letter(VM_READ, 'r') + letter(VM_WRITE, 'w') + letter(VM_EXEC, 'x') + ((flags & VM_MAYSHARE) !== 0 ? 's' : 'p');
}

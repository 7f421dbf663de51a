/**
 * Faulting the pages of one area in, for MAP_POPULATE and mlock: GUP without the pages.
 * @kernel mm/gup.c populate_vma_page_range()
 * @fidelity faithful, but for large folios
 * Next: syscalls/populate.ts
 */
import { assert } from '../base/assert.ts';
import type { VmaId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { vm_flags, vm_mm } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_LOCKONFAULT, VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';
import { FOLL_FORCE, FOLL_TOUCH, FOLL_UNLOCKABLE, FOLL_WRITE, type GupLock } from './foll_flags.ts';
import { __get_user_pages } from './gup.ts';

/**
 * Private writable areas are written, so that no copy is due later.
 * @param lock null when the caller cannot do without mmap_lock, because it holds it for writing
 * @locks in: mmap_lock. out: the same, or nothing when lock.locked is false. May sleep.
 * @returns pages done, if any or if the lock is gone; otherwise an errno
 */
export function populate_vma_page_range(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn, lock: GupLock | null): number {
  const m = cpu.memory;
  const flags = vm_flags(m, vma);
  if ((flags & VM_LOCKONFAULT) !== 0) return end - start;
  let foll = FOLL_TOUCH;
  if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE) foll |= FOLL_WRITE;
  if ((flags & VM_ACCESS_FLAGS) !== 0) foll |= FOLL_FORCE;
  if (lock !== null) return __get_user_pages(cpu, vm_mm(m, vma), start, end - start, foll | FOLL_UNLOCKABLE, null, lock);
  const kept: GupLock = { locked: true };
  const done = __get_user_pages(cpu, vm_mm(m, vma), start, end - start, foll, null, kept);
  assert(kept.locked, 'populate_vma_page_range: the lock was dropped, although the caller needs it');
  return done;
}

/**
 * Faulting a range in ahead of use, for MAP_POPULATE, mlock and madvise.
 * @kernel mm/gup.c __mm_populate(), faultin_page_range(); mm/madvise.c madvise_populate()
 * @fidelity faithful
 * Next: fault/populate_vma_page_range.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { FOLL_HWPOISON, FOLL_MADV_POPULATE, FOLL_TOUCH, FOLL_UNLOCKABLE, FOLL_WRITE, type GupLock } from '../fault/foll_flags.ts';
import { __get_user_pages_locked } from '../fault/gup.ts';
import { populate_vma_page_range } from '../fault/populate_vma_page_range.ts';
import { mas_find } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_IO, VM_PFNMAP } from '../mm/vm_flags.ts';

/**
 * Faults in what is mapped in [start, end). Private writable areas are written, so that no copy is due later.
 * @param ignoreErrors pass over areas that cannot be faulted in, as mmap does and mlock does not
 * @locks none in, none out. Takes mmap_lock for reading, and again whenever a fault had to drop it; may sleep. @returns 0 or the first errno
 */
export function mm_populate(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, ignoreErrors = true): number {
  const m = cpu.memory;
  const lock: GupLock = { locked: false };
  let result = 0;
  for (let vpn = start as number; vpn < end && result === 0; ) {
    if (!lock.locked) {
      mmap_read_lock(cpu, mm);
      lock.locked = true;
    }
    const vma = mas_find(cpu, mmTree(m, mm), vpn as Vpn);
    if (vma === NO_VMA || vm_start(m, vma) >= end) break;
    const from = Math.max(vpn, vm_start(m, vma)) as Vpn;
    const until = Math.min(vm_end(m, vma), end) as Vpn;
    vpn = until;
    if ((vm_flags(m, vma) & (VM_IO | VM_PFNMAP)) !== 0) continue;
    const done = populate_vma_page_range(cpu, vma, from, until, lock);
    if (done >= 0) vpn = from + done;
    else if (!ignoreErrors) result = done;
  }
  if (lock.locked) mmap_read_unlock(cpu, mm);
  return result;
}

/** A locked private area has become writable: copies that are due are made at once. @locks in: mmap write, VMA write */
export function populateUnderWriteLock(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn): void {
  populate_vma_page_range(cpu, vma, start, end, null);
}

/**
 * madvise POPULATE: as above, but a hole or a failure is an error, and a page whose fault dropped the lock is tried again at once.
 * @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns 0 or an errno
 */
export function madvise_populate(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, write: boolean): number {
  const lock: GupLock = { locked: true };
  mmap_read_lock(cpu, mm);
  let result = 0;
  for (let vpn = start as number; vpn < end && result >= 0; vpn += result) {
    result = faultin_page_range(cpu, mm, vpn as Vpn, end, write, lock);
    if (!lock.locked) mmap_read_lock(cpu, mm);
    lock.locked = true;
  }
  mmap_read_unlock(cpu, mm);
  return Math.min(result, 0);
}

/** @locks, @returns as __get_user_pages_locked() */
function faultin_page_range(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, write: boolean, lock: GupLock): number {
  const foll = FOLL_TOUCH | FOLL_HWPOISON | FOLL_UNLOCKABLE | FOLL_MADV_POPULATE | (write ? FOLL_WRITE : 0);
  return __get_user_pages_locked(cpu, mm, start, end - start, foll, null, lock);
}

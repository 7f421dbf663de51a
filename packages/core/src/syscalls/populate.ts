/**
 * Faulting a range in ahead of use, for MAP_POPULATE, mlock and madvise.
 * @kernel mm/gup.c __mm_populate(), faultin_page_range()
 * @fidelity reduced: page by page
 * Next: fault/gup.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EFAULT, EINTR, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { FOLL_WRITE, type Populated, populate_vma_page_range } from '../fault/gup.ts';
import { mas_find, mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock, mmap_read_lock_killable, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_IO, VM_PFNMAP, VM_READ, VM_SHARED, VM_WRITE } from '../mm/vm_flags.ts';

/**
 * Faults in what is mapped in [start, end). Private writable areas are written, so that no copy is due later.
 * @param ignoreErrors pass over areas that cannot be faulted in, as mmap does and mlock does not
 * @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns 0 or the first errno
 */
export function mm_populate(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, ignoreErrors = true): number {
  const m = cpu.memory;
  let locked = false;
  for (let vpn = start as number; vpn < end; ) {
    if (!locked) {
      mmap_read_lock(cpu, mm);
      locked = true;
    }
    const vma = mas_find(cpu, mmTree(m, mm), vpn as Vpn);
    if (vma === NO_VMA || vm_start(m, vma) >= end) break;
    const flags = vm_flags(m, vma);
    const from = Math.max(vpn, vm_start(m, vma)) as Vpn;
    const until = Math.min(vm_end(m, vma), end) as Vpn;
    if ((flags & (VM_IO | VM_PFNMAP)) !== 0) {
      vpn = until;
      continue;
    }
    const refused = (flags & VM_ACCESS_FLAGS) === 0;
    const range = refused ? NOTHING : populate_vma_page_range(cpu, mm, vma, from, until, populateFoll(flags));
    locked = !range.dropped;
    vpn = from + range.done;
    if (range.error === 0) continue;
    if (!ignoreErrors || range.error === EINTR) {
      if (locked) mmap_read_unlock(cpu, mm);
      return range.error;
    }
    vpn = until;
  }
  if (locked) mmap_read_unlock(cpu, mm);
  return 0;
}

const NOTHING: Populated = { done: 0, error: EFAULT, dropped: false };

/** Private and writable: break the copy now. */
const populateFoll = (flags: number): number => ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE ? FOLL_WRITE : 0);

/** A locked private area has become writable: copies that are due are made at once. @locks in: mmap write, VMA write */
export function populateUnderWriteLock(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn): void {
  populate_vma_page_range(cpu, mm, vma, start, end, populateFoll(vm_flags(cpu.memory, vma)), false);
}

/**
 * madvise POPULATE: as above, but a hole or a failure is an error.
 * @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns 0 or an errno
 */
export function faultin_page_range(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, write: boolean): number {
  const m = cpu.memory;
  let locked = false;
  for (let vpn = start as number; vpn < end; ) {
    if (!locked && mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
    locked = true;
    const vma = mas_walk(cpu, mmTree(m, mm), vpn as Vpn);
    const error = vma === NO_VMA ? ENOMEM : populateRefused(vm_flags(m, vma), write);
    if (error !== 0) {
      mmap_read_unlock(cpu, mm);
      return error;
    }
    const range = populate_vma_page_range(cpu, mm, vma, vpn as Vpn, Math.min(vm_end(m, vma), end) as Vpn, write ? FOLL_WRITE : 0);
    locked = !range.dropped;
    if (range.error !== 0) {
      if (locked) mmap_read_unlock(cpu, mm);
      return range.error;
    }
    vpn += range.done;
  }
  if (locked) mmap_read_unlock(cpu, mm);
  return 0;
}

/** @kernel check_vma_flags() as madvise reports it */
function populateRefused(flags: number, write: boolean): number {
  if ((flags & (VM_IO | VM_PFNMAP)) !== 0) return EINVAL;
  return (flags & (write ? VM_WRITE : VM_READ)) === 0 ? EINVAL : 0;
}

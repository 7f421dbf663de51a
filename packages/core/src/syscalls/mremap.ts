/**
 * mremap: grows, shrinks or moves a mapping with its pages.
 * @kernel mm/mremap.c do_mremap(), expand_vma(), move_vma(), move_page_tables(); mm/vma.c copy_vma()
 * @fidelity reduced: one area at a time; entries move one by one, whole tables never
 * Next: syscalls/move_page_tables.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_VMA } from '../base/brand.ts';
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { anon_vma_clone, unlink_anon_vmas } from '../mm/anon_vma.ts';
import { mas_find, mas_walk, mt_next, mt_prev } from '../mm/maple_tree.ts';
import { locked_vm, map_count, max_map_count, mmTree, rlimit_memlock, set_locked_vm } from '../mm/mm_struct.ts';
import { MMAP_MIN_VPN, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_unlock, mmap_write_downgrade, mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import {
  vm_end,
  vm_file,
  vm_flags,
  vm_flags_reset,
  vm_pgoff,
  vm_start,
  vm_userfaultfd_ctx,
  vma_anon_vma,
  vma_is_anonymous,
  vma_pages,
  vma_set_range,
} from '../mm/vm_area_struct.ts';
import { VM_DONTEXPAND, VM_LOCKED, VM_LOCKED_MASK, VM_PFNMAP } from '../mm/vm_flags.ts';
import { freeVmaSlot, vm_area_dup, vm_stat_account, vma_link } from '../mm/vma.ts';
import { vma_start_write } from '../mm/vma_lock.ts';
import { vma_expand, vma_merge_new_range } from '../mm/vma_merge.ts';
import {
  accountGathered,
  clearGatheredRange,
  freeGathered,
  reattach_vmas,
  vms_clear_ptes,
  vms_gather_munmap_vmas,
} from '../mm/vma_unmap.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { get_unmapped_area } from './get_unmapped_area.ts';
import { may_expand_vm } from './mmap.ts';
import { move_page_tables } from './move_page_tables.ts';
import { do_vmi_munmap } from './munmap.ts';
import { mm_populate } from './populate.ts';
import { mremap_userfaultfd_prep, type UserfaultEvents, userfaultfd_unmap_prep, userfaultfdComplete } from './userfaultfd_event.ts';

/** @locks none in, none out. Takes mmap_lock for writing; may sleep. Pages. @returns the first page of the result, or an errno */
export function sys_mremap(cpu: Cpu, addr: number, oldLen: number, newLen: number, flags: number, newAddr: number): number {
  const m = cpu.memory;
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  const bad =
    (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0 ||
    ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0 && (flags & MREMAP_MAYMOVE) === 0);
  if (bad || newLen === 0 || newLen > TASK_SIZE_VPN) return failed(cpu, EINVAL);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return failed(cpu, EINTR);
  const events: UserfaultEvents = [];
  const request: Remap = { mm, addr: addr as Vpn, oldLen, newLen, flags, newAddr: newAddr as Vpn, events };
  // Shrinking in place ends under the downgraded lock, like munmap.
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) === 0 && newLen < oldLen) {
    const shrunk = shrinkInPlace(cpu, request);
    userfaultfdComplete(cpu, events);
    return shrunk;
  }
  const lockedBefore = locked_vm(m, mm);
  const result = do_mremap(cpu, request);
  const grewLocked = result >= 0 && newLen > oldLen && locked_vm(m, mm) > lockedBefore;
  mmap_write_unlock(cpu, mm);
  userfaultfdComplete(cpu, events);
  if (grewLocked) mm_populate(cpu, mm, (result + oldLen) as Vpn, (result + newLen) as Vpn);
  return result < 0 ? failed(cpu, result) : result;
}

interface Remap {
  readonly mm: MmId;
  readonly addr: Vpn;
  readonly oldLen: number;
  readonly newLen: number;
  readonly flags: number;
  readonly newAddr: Vpn;
  /** What userfaultfd handlers want to be told, in the order in which it happens. */
  readonly events: UserfaultEvents;
}

function failed(cpu: Cpu, error: number): number {
  count_vm_event(cpu, SYSCALLS_FAILED);
  return error;
}

/** @locks in: mmap write. out: nothing */
function shrinkInPlace(cpu: Cpu, request: Remap): number {
  const { mm, addr, oldLen, newLen } = request;
  if (mas_walk(cpu, mmTree(cpu.memory, mm), addr) === NO_VMA) {
    mmap_write_unlock(cpu, mm);
    return failed(cpu, EFAULT);
  }
  const gathered = vms_gather_munmap_vmas(cpu, mm, (addr + newLen) as Vpn, (addr + oldLen) as Vpn);
  if (gathered !== ENOMEM && gathered.areas.length === 0) {
    mmap_write_unlock(cpu, mm);
    return addr;
  }
  if (gathered === ENOMEM || clearGatheredRange(cpu, gathered) !== 0) {
    if (gathered !== ENOMEM) reattach_vmas(cpu, gathered);
    mmap_write_unlock(cpu, mm);
    return failed(cpu, ENOMEM);
  }
  for (const vma of gathered.areas) userfaultfd_unmap_prep(cpu, vma, request.events);
  accountGathered(cpu, gathered);
  mmap_write_downgrade(cpu, mm);
  vms_clear_ptes(cpu, gathered);
  freeGathered(cpu, gathered);
  mmap_read_unlock(cpu, mm);
  return addr;
}

/** @locks in: mmap write */
function do_mremap(cpu: Cpu, request: Remap): number {
  const m = cpu.memory;
  const { mm, addr, oldLen, newLen, flags } = request;
  const vma = mas_walk(cpu, mmTree(m, mm), addr);
  if (vma === NO_VMA) return EFAULT;
  const error = check_prep_vma(cpu, vma, request);
  if (error !== 0) return error;
  if ((flags & MREMAP_FIXED) !== 0 && newLen === oldLen) return remap_move(cpu, request);
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremap_to(cpu, vma, request);
  if (newLen === oldLen) return addr;
  if (expandInPlace(cpu, vma, request)) return addr;
  if ((flags & MREMAP_MAYMOVE) === 0) return ENOMEM;
  const target = get_unmapped_area(cpu, mm, 0, newLen);
  return target < 0 ? target : move_vma(cpu, vma, request, target as Vpn, newLen);
}

/** @kernel check_prep_vma() */
function check_prep_vma(cpu: Cpu, vma: VmaId, request: Remap): number {
  const m = cpu.memory;
  const { mm, addr, oldLen, newLen, flags } = request;
  if (oldLen === 0) return EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && (vm_flags(m, vma) & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLen !== newLen) return EINVAL;
  // Moving without a new size takes several areas, one at a time. Nothing to do in place asks nothing. Everything else is about one area.
  const elsewhere = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  if (newLen === oldLen && (!elsewhere || (flags & MREMAP_FIXED) !== 0)) return 0;
  if (oldLen > vm_end(m, vma) - addr) return EFAULT;
  if (newLen <= oldLen) return 0;
  if ((vm_flags(m, vma) & (VM_DONTEXPAND | VM_PFNMAP)) !== 0) return EFAULT;
  const delta = newLen - oldLen;
  if ((vm_flags(m, vma) & VM_LOCKED) !== 0 && locked_vm(m, mm) + delta > rlimit_memlock(m, mm)) return EAGAIN;
  return may_expand_vm(cpu, mm, vm_flags(m, vma), delta) ? 0 : ENOMEM;
}

/** Extends the area where it is, if the space above it is free. @locks in: mmap write */
function expandInPlace(cpu: Cpu, vma: VmaId, request: Remap): boolean {
  const m = cpu.memory;
  const { mm, addr, oldLen, newLen } = request;
  const end = vm_end(m, vma);
  if (addr + oldLen !== end) return false;
  const newEnd = (end + newLen - oldLen) as Vpn;
  if (newEnd > TASK_SIZE_VPN) return false;
  const above = mas_find(cpu, mmTree(m, mm), end);
  if (above !== NO_VMA && vm_start(m, above) < newEnd) return false;
  if (!growMerged(cpu, vma, newEnd)) return false;
  accountGrowth(cpu, mm, vm_flags(m, vma), newLen - oldLen);
  return true;
}

/** The new part may also close the gap to the area above, which then merges. */
function growMerged(cpu: Cpu, vma: VmaId, newEnd: Vpn): boolean {
  const m = cpu.memory;
  const end = vm_end(m, vma);
  const wish = {
    start: end,
    end: newEnd,
    flags: vm_flags(m, vma),
    file: vm_file(m, vma),
    pgoff: vm_pgoff(m, vma) + (end - vm_start(m, vma)),
    uffd: vm_userfaultfd_ctx(m, vma),
    source: vma,
  };
  const next = mt_next(cpu, mmTree(m, cpu.mm), newEnd);
  if (vma_merge_new_range(cpu, vma, next, wish) === vma) return true;
  return vm_end(m, vma) === end && vma_expand(cpu, vma, newEnd);
}

function accountGrowth(cpu: Cpu, mm: MmId, flags: number, pages: number): void {
  vm_stat_account(cpu, mm, flags, pages);
  if ((flags & VM_LOCKED) !== 0) set_locked_vm(cpu.memory, mm, locked_vm(cpu.memory, mm) + pages);
}

/**
 * Moves a range of the same size, area by area, since 6.17: holes stay holes. The range must begin inside an area.
 * @locks in: mmap write. @returns the first new page or the errno of the first area that could not be moved @kernel remap_move()
 */
function remap_move(cpu: Cpu, request: Remap): number {
  const m = cpu.memory;
  const { mm, addr, oldLen, newAddr } = request;
  const end = addr + oldLen;
  if (newAddr + oldLen > TASK_SIZE_VPN || (end > newAddr && newAddr + oldLen > addr)) return EINVAL;
  for (let at: number = addr; at < end; ) {
    const vma = mas_find(cpu, mmTree(m, mm), at as Vpn);
    if (vma === NO_VMA || vm_start(m, vma) >= end) break;
    const from = Math.max(at, vm_start(m, vma)) as Vpn;
    const len = Math.min(end, vm_end(m, vma)) - from;
    const piece = { ...request, addr: from, oldLen: len, newLen: len, newAddr: (newAddr + (from - addr)) as Vpn };
    const result = mremap_to(cpu, vma, piece);
    if (result < 0) return result;
    at = from + len;
  }
  return newAddr;
}

/** To a given address, over whatever is there. @locks in: mmap write @kernel mremap_to() */
function mremap_to(cpu: Cpu, vma: VmaId, request: Remap): number {
  const m = cpu.memory;
  const { mm, addr, oldLen, newLen, flags, newAddr } = request;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  if (fixed) {
    if (newAddr < 0 || newAddr + newLen > TASK_SIZE_VPN) return EINVAL;
    if (newAddr < MMAP_MIN_VPN) return EPERM;
    if (addr + oldLen > newAddr && newAddr + newLen > addr) return EINVAL;
    // Unmapping the target and splitting the source may need this many more areas.
    if (map_count(m, mm) + 2 >= max_map_count(m, mm) - 3) return ENOMEM;
    const error = do_vmi_munmap(cpu, mm, newAddr, newLen, false, request.events);
    if (error !== 0) return error;
  }
  let source = vma;
  let length = oldLen;
  if (newLen < oldLen) {
    const error = do_vmi_munmap(cpu, mm, addr + newLen, oldLen - newLen, false, request.events);
    if (error !== 0) return error;
    length = newLen;
  }
  source = mas_walk(cpu, mmTree(m, mm), addr);
  if (source === NO_VMA) return EFAULT;
  // Both places stay mapped.
  if ((flags & MREMAP_DONTUNMAP) !== 0 && !may_expand_vm(cpu, mm, vm_flags(m, source), oldLen)) return ENOMEM;
  const target = fixed ? newAddr : get_unmapped_area(cpu, mm, newAddr, newLen);
  if (target < 0) return target;
  return move_vma(cpu, source, { ...request, oldLen: length }, target as Vpn, newLen);
}

/** Copies the area, moves its pages, unmaps the old place. @locks in: mmap write. @returns the new first page or an errno */
function move_vma(cpu: Cpu, vma: VmaId, request: Remap, target: Vpn, newLen: number): number {
  const m = cpu.memory;
  const { mm, addr, oldLen, flags } = request;
  if (map_count(m, mm) >= max_map_count(m, mm) - 3) return ENOMEM;
  vma_start_write(cpu, vma);
  const start = vm_start(m, vma);
  const copy = copy_vma(cpu, vma, addr, target, newLen);
  if (copy === NO_VMA) return ENOMEM;
  // A new place that closes the gap between the area below and the old place makes one area of the three: the old record is gone.
  const source = start >= vm_start(m, copy) && start < vm_end(m, copy) ? copy : vma;
  const moved = move_page_tables(cpu, source, copy, addr, target, oldLen);
  // Out of page tables half-way: bring back what was moved. The old tables are all still there.
  if (!moved) move_page_tables(cpu, copy, source, target, addr, oldLen);
  // The new place counts in any case: whatever is unmapped below is taken off the books again.
  accountGrowth(cpu, mm, vm_flags(m, copy), newLen);
  if (!moved) {
    do_vmi_munmap(cpu, mm, target, newLen, false, []); // Nobody has been told of the new place.
    return ENOMEM;
  }
  mremap_userfaultfd_prep(cpu, copy, addr, target, oldLen, request.events);
  if ((flags & MREMAP_DONTUNMAP) !== 0) dontunmapComplete(cpu, source, source !== copy, request);
  // No memory to split the old area: it stays, empty. The move is done all the same.
  else do_vmi_munmap(cpu, mm, addr, oldLen, false, request.events);
  return target;
}

/** The old area stays, without its pages; if it was moved whole it has no more use for its anon_vma links. @kernel dontunmap_complete() */
function dontunmapComplete(cpu: Cpu, vma: VmaId, separate: boolean, request: Remap): void {
  const m = cpu.memory;
  const { mm, addr, oldLen } = request;
  const flags = vm_flags(m, vma);
  if ((flags & VM_LOCKED) !== 0) set_locked_vm(m, mm, locked_vm(m, mm) - vma_pages(m, vma));
  vm_flags_reset(m, vma, flags & ~VM_LOCKED_MASK);
  if (separate && vm_start(m, vma) === addr && vm_end(m, vma) === addr + oldLen) unlink_anon_vmas(cpu, vma);
}

/**
 * The area at its new place: a neighbour extended, or a copy. An area that was never written gets the offset of its new address.
 * @locks in: mmap write, VMA write on the source. @returns NO_VMA when memory is out
 */
function copy_vma(cpu: Cpu, vma: VmaId, addr: Vpn, target: Vpn, len: number): VmaId {
  const m = cpu.memory;
  const mm = cpu.mm;
  const tree = mmTree(m, mm);
  const neverWritten = vma_is_anonymous(m, vma) && vma_anon_vma(m, vma) === NO_ANON_VMA;
  const pgoff = neverWritten ? target : vm_pgoff(m, vma) + (addr - vm_start(m, vma));
  const end = (target + len) as Vpn;
  const uffd = vm_userfaultfd_ctx(m, vma);
  const wish = { start: target, end, flags: vm_flags(m, vma), file: vm_file(m, vma), pgoff, uffd, source: vma };
  const merged = vma_merge_new_range(cpu, mt_prev(cpu, tree, target), mt_next(cpu, tree, end), wish);
  if (merged !== NO_VMA) return merged;
  const copy = vm_area_dup(cpu, mm, vma);
  if (copy === NO_VMA) return NO_VMA;
  vma_set_range(m, copy, target, end, pgoff);
  if (!anon_vma_clone(cpu, copy, vma)) {
    freeVmaSlot(cpu, copy);
    return NO_VMA;
  }
  if (vma_link(cpu, mm, copy) !== 0) {
    unlink_anon_vmas(cpu, copy);
    freeVmaSlot(cpu, copy);
    return NO_VMA;
  }
  return copy;
}

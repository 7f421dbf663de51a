/**
 * mmap: puts a new area into the address space, over whatever was there if the address is fixed.
 * The old areas are detached and their pages removed before the new one is stored over them, in one step: no reader ever sees a hole.
 * @kernel mm/mmap.c do_mmap(); mm/vma.c mmap_region()
 * @fidelity reduced: no huge pages, no sealing, no overcommit limit
 * Next: mm/vma_merge.ts
 */
import type { MappingId, MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_UFFD, NO_VMA } from '../base/brand.ts';
import { EAGAIN, EEXIST, EINTR, EINVAL, ENOMEM, EPERM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_set } from '../memory/atomic.ts';
import { createFile, FILE_DRIVER, FILE_SHMEM, fileKind, i_mmap_lock_write, i_mmap_unlock_write } from '../mm/address_space.ts';
import { fput } from '../mm/fput.ts';
import { mas_destroy, mas_find, mas_preallocate, mas_store_prealloc, mt_next, mt_prev } from '../mm/maple_tree.ts';
import {
  data_vm,
  def_flags,
  locked_vm,
  map_count,
  max_map_count,
  mmTree,
  rlimit_as,
  rlimit_data,
  rlimit_memlock,
  set_locked_vm,
  set_map_count,
  total_vm,
} from '../mm/mm_struct.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  MMAP_MIN_VPN,
  TASK_SIZE_VPN,
} from '../mm/mman.ts';
import { mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { set_vm_file, set_vma_detached, vm_flags_reset, vm_start, vma_pages, vma_set_range, vmRefcntWord } from '../mm/vm_area_struct.ts';
import {
  accountable_mapping,
  calc_vm_flag_bits,
  calc_vm_prot_bits,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { freeVmaSlot, vm_area_alloc, vm_stat_account, vma_iter_store_new } from '../mm/vma.ts';
import { vma_link_file } from '../mm/vma_file.ts';
import { vma_start_write } from '../mm/vma_lock.ts';
import { type MergeWish, vma_merge_new_range } from '../mm/vma_merge.ts';
import { accountGathered, freeGathered, nothingGathered, reattach_vmas, vms_clear_ptes, vms_gather_munmap_vmas } from '../mm/vma_unmap.ts';
import { MUTANT_B03, MUTANT_B03B } from '../mutants/ids.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { AFTER_TREE_STORE, at } from '../trace/points.ts';
import { get_unmapped_area } from './get_unmapped_area.ts';
import { mm_populate } from './populate.ts';
import { type UserfaultEvents, userfaultfd_unmap_prep, userfaultfdComplete } from './userfaultfd_event.ts';

/**
 * Maps `len` pages. Addresses, lengths and offsets are in pages.
 * @param file the file, or NO_MAPPING with MAP_ANONYMOUS: shared memory is then a file of its own, which ends with its last area
 * @locks none in, none out. Takes mmap_lock for writing; may sleep. @returns the first page, or an errno
 */
export function sys_mmap(cpu: Cpu, addr: number, len: number, prot: number, flags: number, file: MappingId, pgoff: number): number {
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const events: UserfaultEvents = [];
  const result = do_mmap(cpu, mm, addr, len, prot, flags, file, pgoff, events);
  mmap_write_unlock(cpu, mm);
  userfaultfdComplete(cpu, events);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  else if (wantsPopulate(cpu, mm, flags)) mm_populate(cpu, mm, result as Vpn, (result + len) as Vpn);
  return result;
}

const wantsPopulate = (cpu: Cpu, mm: MmId, flags: number): boolean =>
  (flags & MAP_LOCKED) !== 0 || (def_flags(cpu.memory, mm) & VM_LOCKED) !== 0 || (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE;

/** @locks in: mmap write */
function do_mmap(
  cpu: Cpu,
  mm: MmId,
  hint: number,
  len: number,
  prot: number,
  flags: number,
  file: MappingId,
  offset: number,
  events: UserfaultEvents,
): number {
  const m = cpu.memory;
  if (len === 0) return EINVAL;
  const type = flags & MAP_TYPE;
  if (type !== MAP_PRIVATE && type !== MAP_SHARED && type !== MAP_SHARED_VALIDATE) return EINVAL;
  if (map_count(m, mm) > max_map_count(m, mm)) return ENOMEM;
  const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  if (fixed && (hint < 0 || hint + len > TASK_SIZE_VPN)) return ENOMEM;
  const addr = fixed ? hint : get_unmapped_area(cpu, mm, hint, len);
  if (addr < 0) return addr;
  if (fixed && addr < MMAP_MIN_VPN) return EPERM;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && overlaps(cpu, mm, addr, addr + len)) return EEXIST;

  let bits = calc_vm_prot_bits(prot) | calc_vm_flag_bits(flags) | def_flags(m, mm) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if (type !== MAP_PRIVATE) bits |= VM_SHARED | VM_MAYSHARE;
  if ((bits & VM_GROWSDOWN) !== 0 && (type !== MAP_PRIVATE || file !== NO_MAPPING)) return EINVAL;
  if ((flags & MAP_NORESERVE) !== 0) bits |= VM_NORESERVE;
  // Who may lock nothing at all is told so; who has locked too much may try again later.
  if ((flags & MAP_LOCKED) !== 0 && rlimit_memlock(m, mm) === 0) return EPERM;
  if ((bits & VM_LOCKED) !== 0 && locked_vm(m, mm) + len > rlimit_memlock(m, mm)) return EAGAIN;
  const anonymous = file === NO_MAPPING && (flags & MAP_ANONYMOUS) !== 0;
  if (!anonymous && file === NO_MAPPING) return EINVAL;
  if (type === MAP_PRIVATE && !anonymous && fileKind(m, file) === FILE_DRIVER) return EINVAL; // As ttm_bo_mmap_obj() does.
  if (anonymous && type !== MAP_PRIVATE) return mapSharedAnonymous(cpu, mm, addr as Vpn, len, bits, events);
  return mmap_region(cpu, mm, addr as Vpn, len, bits, file, anonymous ? addr : offset, events);
}

/** A file in shmem that only areas refer to: the one made here, and those that fork, split and mremap make of it. @kernel shmem_zero_setup() */
function mapSharedAnonymous(cpu: Cpu, mm: MmId, addr: Vpn, len: number, bits: number, events: UserfaultEvents): number {
  const file = createFile(cpu, { pages: len, kind: FILE_SHMEM });
  if (file === NO_MAPPING) return ENOMEM;
  const result = mmap_region(cpu, mm, addr, len, bits, file, 0, events);
  fput(cpu, file); // The area has its own reference, or there is none and the file ends here.
  return result;
}

const overlaps = (cpu: Cpu, mm: MmId, start: number, end: number): boolean => {
  const vma = mas_find(cpu, mmTree(cpu.memory, mm), start as Vpn);
  return vma !== NO_VMA && vm_start(cpu.memory, vma) < end;
};

/** @kernel may_expand_vm() */
export function may_expand_vm(cpu: Cpu, mm: MmId, flags: number, pages: number): boolean {
  const m = cpu.memory;
  if (total_vm(m, mm) + pages > rlimit_as(m, mm)) return false;
  const isData = (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;
  return !isData || data_vm(m, mm) + pages <= rlimit_data(m, mm);
}

/**
 * The area itself: clears the range, then extends a neighbour or stores a new area. Also for brk and for exec.
 * @param events takes what userfaultfd handlers want to be told; the caller delivers it without a lock
 * @locks in: mmap write. May sleep. @returns the first page, or an errno with the range as it was
 */
export function mmap_region(
  cpu: Cpu,
  mm: MmId,
  addr: Vpn,
  len: number,
  wanted: number,
  file: MappingId,
  pgoff: number,
  events: UserfaultEvents,
): number {
  const end = (addr + len) as Vpn;
  const flags = accountable_mapping(wanted) ? wanted | VM_ACCOUNT : wanted;
  const gathered = overlaps(cpu, mm, addr, end) ? vms_gather_munmap_vmas(cpu, mm, addr, end) : nothingGathered(mm, addr, end);
  if (gathered === ENOMEM) return ENOMEM;
  let replaced = 0;
  for (const vma of gathered.areas) replaced += vma_pages(cpu.memory, vma);
  if (!may_expand_vm(cpu, mm, flags, len - replaced)) {
    reattach_vmas(cpu, gathered);
    return ENOMEM;
  }
  // Everything that can run out is taken before the old pages go: from then on there is no way back.
  const vma = vm_area_alloc(cpu, mm);
  if (vma === NO_VMA || !mas_preallocate(cpu, mmTree(cpu.memory, mm), 1)) {
    if (vma !== NO_VMA) freeVmaSlot(cpu, vma);
    reattach_vmas(cpu, gathered);
    return ENOMEM;
  }
  for (const old of gathered.areas) userfaultfd_unmap_prep(cpu, old, events);
  // The old pages go while the old areas are still in the tree, detached and stamped: faults on them wait for mmap_lock.
  if (gathered.areas.length > 0) vms_clear_ptes(cpu, gathered);
  storeRegion(cpu, mm, vma, { start: addr, end, flags, file, pgoff, uffd: NO_UFFD, source: NO_VMA });
  accountGathered(cpu, gathered);
  freeGathered(cpu, gathered);
  vm_stat_account(cpu, mm, flags, len);
  if ((flags & VM_LOCKED) !== 0) set_locked_vm(cpu.memory, mm, locked_vm(cpu.memory, mm) + len);
  return addr;
}

/** Extends a neighbour over the range, or stores the spare area there. One of the two succeeds: its nodes are reserved. @locks in: mmap write */
function storeRegion(cpu: Cpu, mm: MmId, spare: VmaId, wish: MergeWish): void {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  const merged = vma_merge_new_range(cpu, mt_prev(cpu, tree, wish.start), mt_next(cpu, tree, wish.end), wish);
  if (merged !== NO_VMA) {
    freeVmaSlot(cpu, spare);
    return;
  }
  vma_set_range(m, spare, wish.start, wish.end, wish.pgoff);
  if (cpu.mutant === MUTANT_B03) {
    publishThenFill(cpu, mm, spare, wish);
    return;
  }
  vm_flags_reset(m, spare, wish.flags);
  set_vm_file(m, spare, wish.file);
  if (cpu.mutant === MUTANT_B03B && wish.file !== NO_MAPPING) startWriteUnderRmap(cpu, spare, wish.file);
  else vma_start_write(cpu, spare); // Complete and stamped before anybody can find it.
  vma_iter_store_new(cpu, mm, spare);
  mas_destroy(cpu);
  set_map_count(m, mm, map_count(m, mm) + 1);
  vma_link_file(cpu, spare);
}

/** B03: the area is in the tree before it has its flags and its file, and readers get in meanwhile. */
function publishThenFill(cpu: Cpu, mm: MmId, spare: VmaId, wish: MergeWish): void {
  const m = cpu.memory;
  atomic_set(cpu, vmRefcntWord(m, spare), 1);
  set_vma_detached(m, spare, false);
  mas_store_prealloc(cpu, mmTree(m, mm), wish.start, wish.end, spare);
  mas_destroy(cpu);
  at(cpu, AFTER_TREE_STORE);
  vm_flags_reset(m, spare, wish.flags);
  set_vm_file(m, spare, wish.file);
  set_map_count(m, mm, map_count(m, mm) + 1);
  vma_start_write(cpu, spare);
  vma_link_file(cpu, spare);
}

/** B03b: the lock of the file's areas first, then the area's own. */
function startWriteUnderRmap(cpu: Cpu, spare: VmaId, file: MappingId): void {
  i_mmap_lock_write(cpu, file);
  vma_start_write(cpu, spare);
  i_mmap_unlock_write(cpu, file);
}

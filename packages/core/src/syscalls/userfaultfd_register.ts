/**
 * Registering a range with a userfaultfd, and taking it off again. Flags and context of an area change like its protection: neighbours merge or the
 * area splits, and the area is write-locked, so that no fault sees the change half done.
 * @kernel fs/userfaultfd.c userfaultfd_register(), userfaultfd_unregister(); mm/userfaultfd.c userfaultfd_register_range(), userfaultfd_clear_vma(),
 *   vma_can_userfault()
 * @fidelity reduced: no hugetlb, no asynchronous write protection; unregistering wakes the waiters of every mode, the kernel those of missing pages
 * Next: syscalls/userfaultfd_ioctl.ts
 */
import type { MmId, UffdId, VmaId, Vpn } from '../base/brand.ts';
import { NO_UFFD, NO_VMA } from '../base/brand.ts';
import { EBUSY, EINVAL, ENOMEM, EPERM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { shmem_mapping } from '../mm/address_space.ts';
import { mas_find, mt_next, mt_prev } from '../mm/maple_tree.ts';
import { mmget_not_zero, mmTree } from '../mm/mm_struct.ts';
import { TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_write_lock, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { uffdMm, wake_userfault } from '../mm/userfaultfd_ctx.ts';
import { userfaultfd_reset_ctx, userfaultfd_set_ctx, userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_end, vm_file, vm_flags, vm_start, vm_userfaultfd_ctx, vma_is_anonymous } from '../mm/vm_area_struct.ts';
import { VM_MAYWRITE, VM_UFFD_FLAGS, VM_UFFD_MINOR, VM_UFFD_MISSING, VM_UFFD_WP } from '../mm/vm_flags.ts';
import { vma_modify } from '../mm/vma_merge.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { mmput } from './exit_mmap.ts';
import { uffd_wp_range } from './uffd_wp_range.ts';

/** Modes of a registration, in any combination. */
export const UFFDIO_REGISTER_MODE_MISSING = 0x1;
export const UFFDIO_REGISTER_MODE_WP = 0x2;
export const UFFDIO_REGISTER_MODE_MINOR = 0x4;

/**
 * Registers [start, start + len) of the context's address space. @param mode UFFDIO_REGISTER_MODE_* bits
 * @locks none in, none out. Takes mmap_lock for writing; may sleep. Pages. @returns 0 or an errno; areas before an ENOMEM are registered
 */
export function userfaultfd_register(cpu: Cpu, ctx: UffdId, start: number, len: number, mode: number): number {
  const flags = registerFlags(mode);
  if (flags === 0) return counted(cpu, EINVAL);
  return underWriteLock(cpu, ctx, start, len, (mm, from, until) => {
    const error = eachArea(cpu, mm, from, until, (vma) => registerRefused(cpu, vma, ctx, flags));
    return error !== 0 ? error : userfaultfd_register_range(cpu, mm, ctx, from, until, flags);
  });
}

/**
 * Takes [start, start + len) off the context: write protection ends, and whoever waits for a page of it starts over.
 * @locks as userfaultfd_register(). @returns 0 or an errno
 */
export function userfaultfd_unregister(cpu: Cpu, ctx: UffdId, start: number, len: number): number {
  return underWriteLock(cpu, ctx, start, len, (mm, from, until) => {
    const error = eachArea(cpu, mm, from, until, (vma) => unregisterRefused(cpu, vma, ctx));
    return error !== 0 ? error : unregisterRange(cpu, mm, from, until);
  });
}

function registerFlags(mode: number): number {
  const known = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR;
  if ((mode & ~known) !== 0) return 0;
  let flags = (mode & UFFDIO_REGISTER_MODE_MISSING) !== 0 ? VM_UFFD_MISSING : 0;
  if ((mode & UFFDIO_REGISTER_MODE_WP) !== 0) flags |= VM_UFFD_WP;
  if ((mode & UFFDIO_REGISTER_MODE_MINOR) !== 0) flags |= VM_UFFD_MINOR;
  return flags;
}

function counted(cpu: Cpu, result: number): number {
  count_vm_event(cpu, SYSCALLS);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

/** Is the range one that an address space can have? @kernel validate_range() */
export const validRange = (start: number, len: number): boolean => len > 0 && start >= 0 && start + len <= TASK_SIZE_VPN;

/** Does something to the context's address space, if it lives, under its mmap_lock for writing. */
function underWriteLock(cpu: Cpu, ctx: UffdId, start: number, len: number, change: (mm: MmId, from: Vpn, until: Vpn) => number): number {
  const mm = uffdMm(cpu.memory, ctx);
  if (!validRange(start, len)) return counted(cpu, EINVAL);
  if (!mmget_not_zero(cpu, mm)) return counted(cpu, ENOMEM);
  mmap_write_lock(cpu, mm);
  const result = change(mm, start as Vpn, (start + len) as Vpn);
  mmap_write_unlock(cpu, mm);
  mmput(cpu, mm);
  return counted(cpu, result);
}

/** Asks every area that overlaps the range. @locks in: mmap_lock. @returns the first error, or EINVAL when there is no area */
function eachArea(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, ask: (vma: VmaId) => number): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  let found = false;
  for (let vma = mas_find(cpu, tree, start); vma !== NO_VMA && vm_start(m, vma) < end; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    const error = ask(vma);
    if (error !== 0) return error;
    found = true;
  }
  return found ? 0 : EINVAL;
}

/** Is there a handler's answer for faults of this area? Anonymous memory and shmem; faults on pages in the page cache only for shmem. */
function vma_can_userfault(cpu: Cpu, vma: VmaId, flags: number): boolean {
  const m = cpu.memory;
  const anonymous = vma_is_anonymous(m, vma);
  const shmem = !anonymous && shmem_mapping(m, vm_file(m, vma));
  return (flags & VM_UFFD_MINOR) !== 0 ? shmem : anonymous || shmem;
}

function registerRefused(cpu: Cpu, vma: VmaId, ctx: UffdId, flags: number): number {
  const m = cpu.memory;
  const owner = vm_userfaultfd_ctx(m, vma);
  if (!vma_can_userfault(cpu, vma, flags)) return EINVAL;
  // An answer writes to the file, whatever the protection says now.
  if ((vm_flags(m, vma) & VM_MAYWRITE) === 0) return EPERM;
  return owner !== NO_UFFD && owner !== ctx ? EBUSY : 0;
}

function unregisterRefused(cpu: Cpu, vma: VmaId, ctx: UffdId): number {
  const owner = vm_userfaultfd_ctx(cpu.memory, vma);
  if (owner !== NO_UFFD && owner !== ctx) return EINVAL;
  return vma_can_userfault(cpu, vma, vm_flags(cpu.memory, vma) & VM_UFFD_FLAGS) ? 0 : EINVAL;
}

/** @locks in: mmap write. out: VMA write on what changed */
function userfaultfd_register_range(cpu: Cpu, mm: MmId, ctx: UffdId, start: Vpn, end: Vpn, flags: number): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  for (let vma = mas_find(cpu, tree, start); vma !== NO_VMA && vm_start(m, vma) < end; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    if (vm_userfaultfd_ctx(m, vma) === ctx && (vm_flags(m, vma) & flags) === flags) continue;
    const from = Math.max(start, vm_start(m, vma)) as Vpn;
    const until = Math.min(end, vm_end(m, vma)) as Vpn;
    const wanted = (vm_flags(m, vma) & ~VM_UFFD_FLAGS) | flags;
    const changed = vma_modify(
      cpu,
      mt_prev(cpu, tree, vm_start(m, vma)),
      vma,
      mt_next(cpu, tree, vm_end(m, vma)),
      from,
      until,
      wanted,
      ctx,
    );
    if (changed === ENOMEM) return ENOMEM;
    userfaultfd_set_ctx(cpu, changed, ctx, flags);
    vma = changed;
  }
  return 0;
}

/** @locks in: mmap write */
function unregisterRange(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  for (let vma = mas_find(cpu, tree, start); vma !== NO_VMA && vm_start(m, vma) < end; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    const ctx = vm_userfaultfd_ctx(m, vma);
    if (ctx === NO_UFFD) continue;
    const from = Math.max(start, vm_start(m, vma)) as Vpn;
    const until = Math.min(end, vm_end(m, vma)) as Vpn;
    const cleared = userfaultfd_clear_vma(cpu, mm, vma, from, until);
    if (cleared === NO_VMA) return ENOMEM;
    // After the area is off the context: who asks later does not come here any more, who asked before is in the list.
    wake_userfault(cpu, ctx, from, until);
    vma = cleared;
  }
  return 0;
}

/**
 * Takes a part of an area off its context. @locks in: mmap write. out: VMA write on it. May sleep
 * @returns the area that has the part now; NO_VMA when there was no memory to split (a whole area needs none)
 */
export function userfaultfd_clear_vma(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn): VmaId {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  if (userfaultfd_wp(m, vma)) uffd_wp_range(cpu, vma, start, end, false);
  const prev = mt_prev(cpu, tree, vm_start(m, vma));
  const next = mt_next(cpu, tree, vm_end(m, vma));
  const changed = vma_modify(cpu, prev, vma, next, start, end, vm_flags(m, vma) & ~VM_UFFD_FLAGS, NO_UFFD);
  if (changed === ENOMEM) return NO_VMA;
  userfaultfd_reset_ctx(cpu, changed);
  return changed;
}

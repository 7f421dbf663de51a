/**
 * mlock and munlock: pages that stay. The flag under mmap_lock for writing, the pages faulted in afterwards.
 * @kernel mm/mlock.c do_mlock(), apply_vma_lock_flags()
 * @fidelity reduced: no unevictable list; the pages are only faulted in
 * Next: syscalls/populate.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EAGAIN, EFAULT, EINTR, ENOMEM, EPERM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_find, mt_for_each, mt_next, mt_prev } from '../mm/maple_tree.ts';
import { locked_vm, mmTree, rlimit_memlock, set_locked_vm } from '../mm/mm_struct.ts';
import { mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_IO, VM_LOCKED, VM_LOCKED_MASK, VM_PFNMAP } from '../mm/vm_flags.ts';
import { vma_modify_flags } from '../mm/vma_merge.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { mm_populate } from './populate.ts';

/** @locks none in, none out. Takes mmap_lock; may sleep. Pages. @returns 0 or an errno */
export function sys_mlock(cpu: Cpu, start: number, len: number): number {
  const result = changeLocked(cpu, start, len, VM_LOCKED);
  if (result !== 0 || len === 0) return result;
  const error = mm_populate(cpu, cpu.mm, start as Vpn, (start + len) as Vpn, false);
  // As the interface promises: pages that cannot be faulted in are reported as not mapped, want of memory as a reason to try again.
  if (error === EFAULT) return ENOMEM;
  return error === ENOMEM ? EAGAIN : error;
}

/** @locks none in, none out. Takes mmap_lock for writing; may sleep. Pages. @returns 0 or an errno */
export function sys_munlock(cpu: Cpu, start: number, len: number): number {
  return changeLocked(cpu, start, len, 0);
}

function changeLocked(cpu: Cpu, start: number, len: number, locked: number): number {
  const m = cpu.memory;
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  if (locked !== 0 && rlimit_memlock(m, mm) === 0) return EPERM;
  if (len === 0) return 0;
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const tooMuch = locked !== 0 && locked_vm(m, mm) + len - count_mm_mlocked_page_nr(cpu, mm, start, start + len) > rlimit_memlock(m, mm);
  const result = tooMuch ? ENOMEM : apply_vma_lock_flags(cpu, mm, start as Vpn, (start + len) as Vpn, locked);
  mmap_write_unlock(cpu, mm);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

/** Pages of the range that are locked already and need not be counted again. @locks in: mmap write */
function count_mm_mlocked_page_nr(cpu: Cpu, mm: MmId, start: number, end: number): number {
  const m = cpu.memory;
  let pages = 0;
  mt_for_each(cpu, mmTree(m, mm), start as Vpn, end as Vpn, (vma) => {
    if ((vm_flags(m, vma) & VM_LOCKED) !== 0) pages += Math.min(vm_end(m, vma), end) - Math.max(vm_start(m, vma), start);
  });
  return pages;
}

/** @locks in: mmap write */
function apply_vma_lock_flags(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, locked: number): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  for (let at = start; at < end; ) {
    const vma = mas_find(cpu, tree, at);
    if (vma === NO_VMA || vm_start(m, vma) > at) return ENOMEM;
    const until = Math.min(vm_end(m, vma), end) as Vpn;
    const old = vm_flags(m, vma);
    const flags = (old & ~VM_LOCKED_MASK) | locked;
    if (flags !== old && (old & (VM_IO | VM_PFNMAP)) === 0) {
      const prev = mt_prev(cpu, tree, vm_start(m, vma));
      const next = mt_next(cpu, tree, vm_end(m, vma));
      if (vma_modify_flags(cpu, prev, vma, next, at, until, flags) === ENOMEM) return ENOMEM;
      const delta = locked !== 0 ? until - at : at - until;
      if ((old & VM_LOCKED) !== locked) set_locked_vm(m, mm, locked_vm(m, mm) + delta);
    }
    at = until;
  }
  return 0;
}

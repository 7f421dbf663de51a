/**
 * brk: moves the end of the heap. Growing extends one area; shrinking unmaps under the downgraded lock.
 * @kernel mm/mmap.c SYSCALL brk; mm/vma.c do_brk_flags()
 * @fidelity reduced: no randomisation
 * Next: syscalls/mmap.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_find } from '../mm/maple_tree.ts';
import { def_flags, map_count, max_map_count, mm_brk, mmTree, rlimit_data, set_mm_brk, start_brk } from '../mm/mm_struct.ts';
import { mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { VM_LOCKED, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { count_vm_event, SYSCALLS } from '../trace/counters.ts';
import { vm_start_gap } from './get_unmapped_area.ts';
import { may_expand_vm, mmap_region } from './mmap.ts';
import { do_vmi_munmap } from './munmap.ts';
import { mm_populate } from './populate.ts';
import { type UserfaultEvents, userfaultfdComplete } from './userfaultfd_event.ts';

const HEAP_FLAGS = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;

/**
 * Moves the break to page `brk` (the first page that is not heap any more). @returns the break afterwards: unchanged when the move failed
 * @locks none in, none out. Takes mmap_lock for writing; may sleep
 */
export function sys_brk(cpu: Cpu, brk: number): number {
  const m = cpu.memory;
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const old = mm_brk(m, mm);
  const allowed = brk >= start_brk(m, mm) && brk - start_brk(m, mm) <= rlimit_data(m, mm);
  if (!allowed || brk === old) {
    mmap_write_unlock(cpu, mm);
    return old;
  }
  if (brk < old) return shrink(cpu, mm, brk, old);
  const events: UserfaultEvents = [];
  const grown = grow(cpu, mm, old, brk, events);
  mmap_write_unlock(cpu, mm);
  userfaultfdComplete(cpu, events);
  if (!grown) return old;
  if ((def_flags(m, mm) & VM_LOCKED) !== 0) mm_populate(cpu, mm, old as Vpn, brk as Vpn);
  return brk;
}

/** @locks in: mmap write. out: nothing */
function shrink(cpu: Cpu, mm: MmId, brk: number, old: number): number {
  set_mm_brk(cpu.memory, mm, brk);
  const events: UserfaultEvents = [];
  const result = do_vmi_munmap(cpu, mm, brk, old - brk, true, events);
  userfaultfdComplete(cpu, events);
  if (result === 0) return brk;
  // Unmapping failed for want of memory: nothing was unmapped, and the lock is still held.
  set_mm_brk(cpu.memory, mm, old);
  mmap_write_unlock(cpu, mm);
  return old;
}

/** @locks in: mmap write */
function grow(cpu: Cpu, mm: MmId, old: number, brk: number, events: UserfaultEvents): boolean {
  const m = cpu.memory;
  const above = mas_find(cpu, mmTree(m, mm), old as Vpn);
  if (above !== NO_VMA && vm_start_gap(cpu, above) < brk + 1) return false;
  const flags = HEAP_FLAGS | def_flags(m, mm);
  if (!may_expand_vm(cpu, mm, flags, brk - old) || map_count(m, mm) > max_map_count(m, mm)) return false;
  if (mmap_region(cpu, mm, old as Vpn, brk - old, flags, NO_MAPPING, old, events) < 0) return false;
  set_mm_brk(m, mm, brk);
  return true;
}

/**
 * fsync and msync: what was written to a file is on its device when the call returns.
 * @kernel mm/msync.c; fs/sync.c vfs_fsync_range()
 * @fidelity faithful for MS_SYNC; MS_ASYNC does nothing, as in the kernel; no metadata
 * Next: io/writeback.ts
 */
import type { MappingId, MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { EBUSY, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { file_write_and_wait_range } from '../io/writeback.ts';
import { get_file } from '../mm/address_space.ts';
import { fput } from '../mm/fput.ts';
import { mas_find } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC, TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { linear_page_index, vm_end, vm_file, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_LOCKED, VM_SHARED } from '../mm/vm_flags.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';

const counted = (cpu: Cpu, result: number): number => {
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
};

/** @locks none in, none out; may sleep; the caller keeps the file open. @returns 0 or the errno of a write since the last call that said so */
export function sys_fsync(cpu: Cpu, file: MappingId): number {
  count_vm_event(cpu, SYSCALLS);
  return counted(cpu, file === NO_MAPPING ? EINVAL : file_write_and_wait_range(cpu, file, 0, FILE_END));
}

/**
 * @locks none in, none out. Takes mmap_lock for reading, but not while it writes; may sleep. Pages.
 * @returns 0, an errno of write-back, EBUSY for locked memory with MS_INVALIDATE, ENOMEM when part of the range is not mapped (the rest is done)
 */
export function sys_msync(cpu: Cpu, start: number, len: number, flags: number): number {
  count_vm_event(cpu, SYSCALLS);
  const known = (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) === 0 && (flags & (MS_ASYNC | MS_SYNC)) !== (MS_ASYNC | MS_SYNC);
  if (!known || start < 0 || len < 0) return counted(cpu, EINVAL);
  if (start + len > TASK_SIZE_VPN) return counted(cpu, ENOMEM);
  return counted(cpu, len === 0 ? 0 : do_msync(cpu, cpu.mm, start, start + len, flags));
}

function do_msync(cpu: Cpu, mm: MmId, start: number, end: number, flags: number): number {
  const m = cpu.memory;
  let unmapped = 0;
  mmap_read_lock(cpu, mm);
  for (let at = start; at < end; ) {
    const vma = mas_find(cpu, mmTree(m, mm), at as Vpn);
    const nothing = vma === NO_VMA || vm_start(m, vma) >= end;
    if (nothing || (vm_start(m, vma) > at && flags === MS_ASYNC)) return unlocked(cpu, mm, ENOMEM);
    if (vm_start(m, vma) > at) unmapped = ENOMEM;
    if ((flags & MS_INVALIDATE) !== 0 && (vm_flags(m, vma) & VM_LOCKED) !== 0) return unlocked(cpu, mm, EBUSY);
    const from = Math.max(at, vm_start(m, vma));
    at = vm_end(m, vma);
    const file = vm_file(m, vma);
    if ((flags & MS_SYNC) === 0 || file === NO_MAPPING || (vm_flags(m, vma) & VM_SHARED) === 0) continue;
    const error = syncArea(cpu, mm, vma, from as Vpn, Math.min(at, end) as Vpn);
    if (error !== 0 || at >= end) return error === 0 ? unmapped : error;
    mmap_read_lock(cpu, mm);
  }
  return unlocked(cpu, mm, unmapped);
}

/** The file is kept by a reference, the area by nothing: whoever changes the address space need not wait for the device. @locks in: mmap read. out: nothing */
function syncArea(cpu: Cpu, mm: MmId, vma: VmaId, from: Vpn, until: Vpn): number {
  const m = cpu.memory;
  const file = vm_file(m, vma);
  const first = linear_page_index(m, vma, from);
  get_file(cpu, file);
  mmap_read_unlock(cpu, mm);
  const error = file_write_and_wait_range(cpu, file, first, first + (until - from));
  fput(cpu, file);
  return error;
}

function unlocked(cpu: Cpu, mm: MmId, result: number): number {
  mmap_read_unlock(cpu, mm);
  return result;
}

/**
 * MADV_REMOVE: punches a hole into the file behind a shared area. mmap_lock is dropped for that, because a punch waits for pages, and who holds them
 * may want mmap_lock; so the area may be gone afterwards, and only the file is kept.
 * @kernel mm/madvise.c madvise_remove()
 * @fidelity faithful
 * Next: syscalls/truncate.ts sys_fallocate()
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import { EACCES, EINVAL } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { get_file } from '../mm/address_space.ts';
import { fput } from '../mm/fput.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { linear_page_index, vm_file, vm_flags } from '../mm/vm_area_struct.ts';
import { VM_LOCKED, VM_MAYWRITE, VM_SHARED } from '../mm/vm_flags.ts';
import { MUTANT_B32_REMOVE } from '../mutants/ids.ts';
import { at, BETWEEN_UNLOCK_AND_RELOCK } from '../trace/points.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, vfs_fallocate } from './truncate.ts';
import { userfaultfd_remove } from './userfaultfd_event.ts';

/**
 * Removes the pages [start, end) of one area from its file. @locks in: mmap read. out: mmap read again, after a time without; the area may be gone.
 * May sleep. @returns 0 or an errno
 */
export function madvise_remove(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn): number {
  const m = cpu.memory;
  const flags = vm_flags(m, vma);
  const file = vm_file(m, vma);
  if ((flags & VM_LOCKED) !== 0 || file === NO_MAPPING) return EINVAL;
  if ((flags & (VM_SHARED | VM_MAYWRITE)) !== (VM_SHARED | VM_MAYWRITE)) return EACCES;
  const offset = linear_page_index(m, vma, start);
  if (cpu.mutant !== MUTANT_B32_REMOVE) get_file(cpu, file);
  if (userfaultfd_remove(cpu, vma, start, end)) mmap_read_unlock(cpu, mm);
  at(cpu, BETWEEN_UNLOCK_AND_RELOCK);
  const error = vfs_fallocate(cpu, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, end - start);
  if (cpu.mutant !== MUTANT_B32_REMOVE) fput(cpu, file);
  mmap_read_lock(cpu, mm);
  return error;
}

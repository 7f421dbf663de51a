/**
 * munmap: takes a range out of the address space. The tree and the areas under mmap_lock for writing, the pages under the downgraded lock.
 * @kernel mm/vma.c do_vmi_munmap(), do_vmi_align_munmap()
 * @fidelity faithful
 * Next: mm/vma_unmap.ts
 */
import type { MmId, Vpn } from '../base/brand.ts';
import { EINTR, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_unlock, mmap_write_downgrade, mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import {
  accountGathered,
  clearGatheredRange,
  freeGathered,
  reattach_vmas,
  vms_clear_ptes,
  vms_gather_munmap_vmas,
} from '../mm/vma_unmap.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { at, BETWEEN_DOWNGRADE_AND_ZAP } from '../trace/points.ts';
import { type UserfaultEvents, userfaultfd_unmap_prep, userfaultfdComplete } from './userfaultfd_event.ts';

/** @locks none in, none out. Takes mmap_lock; may sleep. Pages. @returns 0 or an errno */
export function sys_munmap(cpu: Cpu, start: number, len: number): number {
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const events: UserfaultEvents = [];
  const result = do_vmi_munmap(cpu, mm, start, len, true, events);
  userfaultfdComplete(cpu, events);
  if (result === 0) return 0;
  mmap_write_unlock(cpu, mm);
  count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

/**
 * Unmaps a range. @param unlock drop mmap_lock on success, through a downgrade if there is something to zap
 * @param events takes what userfaultfd handlers want to be told; the caller delivers it without a lock. None on failure
 * @locks in: mmap write. out: nothing when `unlock` is set and the result is 0, mmap write otherwise. May sleep. @returns 0 or an errno
 */
export function do_vmi_munmap(cpu: Cpu, mm: MmId, start: number, len: number, unlock: boolean, events: UserfaultEvents): number {
  const invalid = len === 0 || start < 0 || start > TASK_SIZE_VPN || len > TASK_SIZE_VPN - start;
  if (invalid) return EINVAL;
  const gathered = vms_gather_munmap_vmas(cpu, mm, start as Vpn, (start + len) as Vpn);
  if (gathered === ENOMEM) return ENOMEM;
  if (gathered.areas.length === 0) {
    if (unlock) mmap_write_unlock(cpu, mm);
    return 0;
  }
  if (clearGatheredRange(cpu, gathered) !== 0) {
    reattach_vmas(cpu, gathered);
    return ENOMEM;
  }
  for (const vma of gathered.areas) userfaultfd_unmap_prep(cpu, vma, events);
  accountGathered(cpu, gathered);
  if (unlock) mmap_write_downgrade(cpu, mm);
  at(cpu, BETWEEN_DOWNGRADE_AND_ZAP);
  vms_clear_ptes(cpu, gathered);
  freeGathered(cpu, gathered);
  if (unlock) mmap_read_unlock(cpu, mm);
  return 0;
}

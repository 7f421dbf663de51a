/**
 * Opening and closing a userfaultfd.
 * @kernel fs/userfaultfd.c new_userfaultfd(), userfaultfd_release(), userfaultfd_release_all()
 * @fidelity reduced: the number of the context stands for the file descriptor; features are given at once instead of by UFFDIO_API
 * Next: syscalls/userfaultfd_register.ts
 */
import type { MmId, UffdId, VmaId, Vpn } from '../base/brand.ts';
import { NO_UFFD, NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { mas_find, mt_next } from '../mm/maple_tree.ts';
import { mmget_not_zero, mmTree } from '../mm/mm_struct.ts';
import { mmap_write_lock, mmap_write_unlock } from '../mm/mmap_lock.ts';
import {
  allocUserfaultfd,
  setUffdReleased,
  uffdEventList,
  uffdLockWord,
  uffdMm,
  uffdReaderList,
  userfaultfd_ctx_put,
  wake_userfault,
  wakeUffdList,
} from '../mm/userfaultfd_ctx.ts';
import { vm_end, vm_start, vm_userfaultfd_ctx } from '../mm/vm_area_struct.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { mmput } from './exit_mmap.ts';
import { userfaultfd_clear_vma } from './userfaultfd_register.ts';

/**
 * A new context for the running address space. The caller closes it with userfaultfd_release(). @param features UFFD_FEATURE_* bits
 * @locks none in, none out. Never sleeps. @returns its number, or ENOMEM
 */
export function sys_userfaultfd(cpu: Cpu, features = 0): UffdId | typeof ENOMEM {
  count_vm_event(cpu, SYSCALLS);
  const ctx = allocUserfaultfd(cpu, cpu.mm, features);
  if (ctx !== NO_UFFD) return ctx;
  count_vm_event(cpu, SYSCALLS_FAILED);
  return ENOMEM;
}

/**
 * Closes a context: its areas are registered no more, and whoever waits starts over. First the mark, then the areas, then the wake-ups: a fault
 * that has seen the area still registered sees the mark (fault/handle_userfault.ts draws it).
 * @locks none in, none out. Takes mmap_lock for writing; may sleep
 */
export function userfaultfd_release(cpu: Cpu, ctx: UffdId): void {
  const m = cpu.memory;
  count_vm_event(cpu, SYSCALLS);
  setUffdReleased(cpu, ctx);
  userfaultfd_release_all(cpu, uffdMm(m, ctx), ctx);
  wake_userfault(cpu, ctx, 0, Number.POSITIVE_INFINITY);
  spin_lock(cpu, uffdLockWord(m, ctx));
  wakeUffdList(cpu, uffdEventList(m, ctx)); // Events that nobody will read.
  wakeUffdList(cpu, uffdReaderList(m, ctx));
  spin_unlock(cpu, uffdLockWord(m, ctx));
  userfaultfd_ctx_put(cpu, ctx);
}

/** Takes every area off the context, if the address space lives. @locks as userfaultfd_release() */
function userfaultfd_release_all(cpu: Cpu, mm: MmId, ctx: UffdId): void {
  const m = cpu.memory;
  if (!mmget_not_zero(cpu, mm)) return;
  mmap_write_lock(cpu, mm);
  const tree = mmTree(m, mm);
  for (let vma: VmaId = mas_find(cpu, tree, 0 as Vpn); vma !== NO_VMA; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    if (vm_userfaultfd_ctx(m, vma) === ctx) vma = userfaultfd_clear_vma(cpu, mm, vma, vm_start(m, vma), vm_end(m, vma));
  }
  mmap_write_unlock(cpu, mm);
  mmput(cpu, mm);
}

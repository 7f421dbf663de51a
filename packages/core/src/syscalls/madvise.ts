/**
 * madvise: hints that change flags (under mmap_lock for writing), throw pages away (under the VMA lock of one area, else mmap_lock for
 * reading), give them to reclaim, or fault pages in.
 * @kernel mm/madvise.c madvise_lock(), madvise_walk_vmas(), madvise_dontneed_free()
 * @fidelity reduced: no hints about merging pages, no collapsing of huge pages
 * Next: syscalls/madvise_pageout.ts, syscalls/madvise_free.ts, mm/zap.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EAGAIN, EINTR, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_find, mas_walk, mt_next, mt_prev } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import {
  MADV_COLD,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  TASK_SIZE_VPN,
} from '../mm/mman.ts';
import { mmap_read_lock, mmap_read_lock_killable, mmap_read_unlock, mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { userfaultfd_armed } from '../mm/userfaultfd_k.ts';
import { vm_end, vm_flags, vm_start, vma_is_anonymous } from '../mm/vm_area_struct.ts';
import {
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_HUGEPAGE,
  VM_IO,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_PFNMAP,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
} from '../mm/vm_flags.ts';
import { lock_vma_under_rcu, vma_end_read } from '../mm/vma_lock.ts';
import { vma_modify_flags } from '../mm/vma_merge.ts';
import { zap_page_range_single } from '../mm/zap.ts';
import { MUTANT_B32_DONTNEED } from '../mutants/ids.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED, VMA_LOCK_ABORT_MADVISE } from '../trace/counters.ts';
import { madvise_free_single_vma } from './madvise_free.ts';
import { madvise_guard_install, madvise_guard_remove } from './madvise_guard.ts';
import { madvise_cold_or_pageout, madvise_willneed } from './madvise_pageout.ts';
import { madvise_remove } from './madvise_remove.ts';
import { madvise_populate } from './populate.ts';
import { userfaultfd_remove } from './userfaultfd_event.ts';

/** Flags that an advice sets and clears. */
interface FlagChange {
  readonly set: number;
  readonly clear: number;
}
const FLAG_ADVICE: ReadonlyMap<number, FlagChange> = new Map([
  [MADV_NORMAL, { set: 0, clear: VM_RAND_READ | VM_SEQ_READ }],
  [MADV_RANDOM, { set: VM_RAND_READ, clear: VM_SEQ_READ }],
  [MADV_SEQUENTIAL, { set: VM_SEQ_READ, clear: VM_RAND_READ }],
  [MADV_DONTFORK, { set: VM_DONTCOPY, clear: 0 }],
  [MADV_DOFORK, { set: 0, clear: VM_DONTCOPY }],
  [MADV_WIPEONFORK, { set: VM_WIPEONFORK, clear: 0 }],
  [MADV_KEEPONFORK, { set: 0, clear: VM_WIPEONFORK }],
  [MADV_DONTDUMP, { set: VM_DONTDUMP, clear: 0 }],
  [MADV_DODUMP, { set: 0, clear: VM_DONTDUMP }],
  [MADV_HUGEPAGE, { set: VM_HUGEPAGE, clear: VM_NOHUGEPAGE }],
  [MADV_NOHUGEPAGE, { set: VM_NOHUGEPAGE, clear: VM_HUGEPAGE }],
]);

const readLocked = (advice: number): boolean => advice === MADV_GUARD_INSTALL || advice === MADV_GUARD_REMOVE || advice === MADV_REMOVE;
const onPages = (advice: number): boolean => advice === MADV_COLD || advice === MADV_PAGEOUT || advice === MADV_WILLNEED;
const discards = (advice: number): boolean => advice === MADV_DONTNEED || advice === MADV_FREE;

/** @locks none in, none out. May sleep. Pages. @returns 0 or an errno; ENOMEM also when part of the range is not mapped, the rest is done */
export function sys_madvise(cpu: Cpu, start: number, len: number, advice: number): number {
  count_vm_event(cpu, SYSCALLS);
  const result = do_madvise(cpu, cpu.mm, start, len, advice);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

function do_madvise(cpu: Cpu, mm: MmId, start: number, len: number, advice: number): number {
  const populates = advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE;
  if (!populates && !discards(advice) && !readLocked(advice) && !onPages(advice) && !FLAG_ADVICE.has(advice)) return EINVAL;
  if (start < 0 || len < 0 || start + len > TASK_SIZE_VPN) return EINVAL;
  if (len === 0) return 0;
  const from = start as Vpn;
  const until = (start + len) as Vpn;
  if (populates) return madvise_populate(cpu, mm, from, until, advice === MADV_POPULATE_WRITE);
  if (discards(advice)) return discard(cpu, mm, from, until, advice);
  if (readLocked(advice)) return underReadLock(cpu, mm, from, until, advice);
  if (onPages(advice)) return advisePages(cpu, mm, from, until, advice);
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const result = walkVmas(cpu, mm, from, until, (vma, first, last) =>
    changeFlags(cpu, mm, vma, first, last, FLAG_ADVICE.get(advice) as FlagChange),
  );
  mmap_write_unlock(cpu, mm);
  return result;
}

/** Under mmap_lock for reading. @kernel MADVISE_MMAP_READ_LOCK */
function underReadLock(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, advice: number): number {
  if (mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
  const result = walkVmas(cpu, mm, start, end, (vma, first, last) => {
    if (advice === MADV_REMOVE) return madvise_remove(cpu, mm, vma, first, last);
    return advice === MADV_GUARD_INSTALL ? madvise_guard_install(cpu, vma, first, last) : madvise_guard_remove(cpu, vma, first, last);
  });
  mmap_read_unlock(cpu, mm);
  return result;
}

/** Under the VMA lock when the range lies in one area; otherwise under mmap_lock for reading. @kernel MADVISE_VMA_READ_LOCK */
function discard(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, advice: number): number {
  if (cpu.vmaRefcount) {
    const vma = lock_vma_under_rcu(cpu, mm, start);
    if (vma !== NO_VMA) {
      const whole = end <= vm_end(cpu.memory, vma) && !userfaultfd_armed(cpu.memory, vma);
      const result = whole ? madvise_dontneed_free(cpu, vma, start, end, advice) : 0;
      vma_end_read(cpu, vma);
      if (whole) return result;
    } else count_vm_event(cpu, VMA_LOCK_ABORT_MADVISE);
  }
  if (mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
  const result = walkVmas(cpu, mm, start, end, (vma, first, last) => discardTold(cpu, mm, vma, first, last, advice));
  mmap_read_unlock(cpu, mm);
  return result;
}

/**
 * Tells the handler of a registered area first. mmap_lock is dropped for that, so everything is looked up and asked again afterwards, and what another
 * area has by then is told to its handler in turn. @locks in: mmap read. out: the same, dropped and taken again on the way. May sleep
 */
function discardTold(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn, advice: number): number {
  const m = cpu.memory;
  const refused = discardRefused(cpu, vma, advice);
  if (refused !== 0) return refused;
  if (userfaultfd_remove(cpu, vma, start, end)) return madvise_dontneed_free(cpu, vma, start, end, advice);
  mmap_read_lock(cpu, mm);
  if (cpu.mutant === MUTANT_B32_DONTNEED) return madvise_dontneed_free(cpu, vma, start, end, advice);
  const again = mas_walk(cpu, mmTree(m, mm), start);
  if (again === NO_VMA) return ENOMEM;
  const until = Math.min(end, vm_end(m, again)) as Vpn;
  const error = madvise_dontneed_free(cpu, again, start, until, advice);
  if (error !== 0 || until === end) return error;
  const next = mas_walk(cpu, mmTree(m, mm), until);
  return next === NO_VMA ? ENOMEM : discardTold(cpu, mm, next, until, end, advice);
}

/** @kernel madvise_dontneed_free_valid_vma() */
function discardRefused(cpu: Cpu, vma: VmaId, advice: number): number {
  if ((vm_flags(cpu.memory, vma) & (VM_LOCKED | VM_PFNMAP)) !== 0) return EINVAL;
  return advice === MADV_FREE && !vma_is_anonymous(cpu.memory, vma) ? EINVAL : 0;
}

/** Always under mmap_lock for reading: these sleep. @kernel MADVISE_MMAP_READ_LOCK */
function advisePages(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, advice: number): number {
  if (mmap_read_lock_killable(cpu, mm) !== 0) return EINTR;
  const result = walkVmas(cpu, mm, start, end, (vma, first, last) =>
    advice === MADV_WILLNEED
      ? madvise_willneed(cpu, vma, first, last)
      : madvise_cold_or_pageout(cpu, vma, first, last, advice === MADV_PAGEOUT ? MADV_PAGEOUT : MADV_COLD),
  );
  mmap_read_unlock(cpu, mm);
  return result;
}

/** @locks in: VMA read, or mmap read */
function madvise_dontneed_free(cpu: Cpu, vma: VmaId, start: Vpn, end: Vpn, advice: number): number {
  const refused = discardRefused(cpu, vma, advice);
  if (refused !== 0) return refused;
  if (advice === MADV_FREE) madvise_free_single_vma(cpu, vma, start, end);
  else zap_page_range_single(cpu, vma, start, end);
  return 0;
}

/** @locks in: mmap_lock as the visitor needs it, who may drop it for a time. @returns the first error of a visit, else ENOMEM if there was a hole, else 0 */
function walkVmas(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, visit: (vma: VmaId, first: Vpn, last: Vpn) => number): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  let unmapped = 0;
  for (let at = start; at < end; ) {
    const vma = mas_find(cpu, tree, at);
    if (vma === NO_VMA || vm_start(m, vma) >= end) return ENOMEM;
    if (vm_start(m, vma) > at) unmapped = ENOMEM;
    const first = Math.max(at, vm_start(m, vma)) as Vpn;
    const last = Math.min(vm_end(m, vma), end) as Vpn;
    const error = visit(vma, first, last);
    if (error !== 0) return error;
    at = last;
  }
  return unmapped;
}

/** @locks in: mmap write */
function changeFlags(cpu: Cpu, mm: MmId, vma: VmaId, first: Vpn, last: Vpn, change: FlagChange): number {
  const m = cpu.memory;
  const old = vm_flags(m, vma);
  if ((change.clear & VM_DONTCOPY) !== 0 && (old & VM_IO) !== 0) return EINVAL;
  if ((change.set & VM_WIPEONFORK) !== 0 && (!vma_is_anonymous(m, vma) || (old & VM_SHARED) !== 0)) return EINVAL;
  const flags = (old & ~change.clear) | change.set;
  if (flags === old) return 0;
  const tree = mmTree(m, mm);
  const prev = mt_prev(cpu, tree, vm_start(m, vma));
  const next = mt_next(cpu, tree, vm_end(m, vma));
  // ENOMEM would say that the range has a hole.
  return vma_modify_flags(cpu, prev, vma, next, first, last, flags) === ENOMEM ? EAGAIN : 0;
}

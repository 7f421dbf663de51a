/**
 * A handler's answers: copy or zero a missing page, map a page of shmem that is there, end or begin write protection, leave a poison mark, wake.
 * Every answer but WAKE is refused with EAGAIN while a change of the address space is under way that the handler has not been told of.
 * @kernel fs/userfaultfd.c userfaultfd_copy(), userfaultfd_zeropage(), userfaultfd_writeprotect(), userfaultfd_continue(), userfaultfd_poison(),
 *   userfaultfd_wake(); mm/userfaultfd.c mwriteprotect_range()
 * @fidelity reduced: no UFFDIO_MOVE; contents come as a stamp
 * Next: syscalls/mfill_atomic.ts
 */
import type { MmId, UffdId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EAGAIN, EINVAL, ENOENT, ESRCH } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mas_find, mt_next } from '../mm/maple_tree.ts';
import { mmget_not_zero, mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { lockMapChanging, uffdMm, uffdMmapChanging, unlockMapChanging, wake_userfault } from '../mm/userfaultfd_ctx.ts';
import { userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_end, vm_start } from '../mm/vm_area_struct.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED, USERFAULT_HANDLED } from '../trace/counters.ts';
import { mmput } from './exit_mmap.ts';
import { type Fill, mfill_atomic } from './mfill_atomic.ts';
import { uffd_wp_range } from './uffd_wp_range.ts';
import { validRange } from './userfaultfd_register.ts';

/** How to answer. */
export interface AnswerOptions {
  /** Leave the faults asleep; a WAKE follows. */
  readonly dontWake?: boolean;
  /** COPY and CONTINUE: the new entries are write-protected for the handler. */
  readonly wp?: boolean;
}

/**
 * UFFDIO_COPY: pages of their own, with these contents. @param stamp of each page, or one for all
 * @locks none in, none out. May sleep. Pages. @returns the number of pages filled (from the start; the faults on them are awake), or an errno when
 * there is none: EEXIST, ENOENT (not registered, not all in one area), EAGAIN, ESRCH (the address space is gone), ENOMEM, EINVAL
 */
export function userfaultfd_copy(
  cpu: Cpu,
  ctx: UffdId,
  start: number,
  len: number,
  stamp: number | ((vpn: number) => number),
  options: AnswerOptions = {},
): number {
  return fill(cpu, ctx, start, len, { kind: 'copy', stamp: typeof stamp === 'number' ? () => stamp : stamp }, options);
}

/** UFFDIO_ZEROPAGE: pages that read as zero. @locks as userfaultfd_copy() @returns as userfaultfd_copy() */
export function userfaultfd_zeropage(cpu: Cpu, ctx: UffdId, start: number, len: number, options: AnswerOptions = {}): number {
  return fill(cpu, ctx, start, len, { kind: 'zero' }, options);
}

/**
 * UFFDIO_CONTINUE: the pages that the shmem file has are mapped. @locks as userfaultfd_copy()
 * @returns as userfaultfd_copy(); EFAULT where the file has no page, EINVAL in anonymous memory
 */
export function userfaultfd_continue(cpu: Cpu, ctx: UffdId, start: number, len: number, options: AnswerOptions = {}): number {
  return fill(cpu, ctx, start, len, { kind: 'continue' }, options);
}

/** UFFDIO_POISON: an access gets SIGBUS from now on. @locks as userfaultfd_copy() @returns as userfaultfd_copy() */
export function userfaultfd_poison(cpu: Cpu, ctx: UffdId, start: number, len: number, options: AnswerOptions = {}): number {
  return fill(cpu, ctx, start, len, { kind: 'poison' }, options);
}

function fill(cpu: Cpu, ctx: UffdId, start: number, len: number, what: Fill, { dontWake = false, wp = false }: AnswerOptions): number {
  return answer(cpu, ctx, start, len, () => {
    const { done, error } = mfill_atomic(cpu, ctx, start as Vpn, len, what, wp);
    if (done > 0 && !dontWake) wake_userfault(cpu, ctx, start, start + done);
    return done > 0 ? done : error;
  });
}

/**
 * UFFDIO_WRITEPROTECT: protects the pages of the range, or ends that and wakes the faults that wait for it.
 * @locks none in, none out. Takes mmap_lock for reading; may sleep. @returns 0 or an errno: ENOENT where an area is not registered for it, EAGAIN, ESRCH
 */
export function userfaultfd_writeprotect(
  cpu: Cpu,
  ctx: UffdId,
  start: number,
  len: number,
  protect: boolean,
  { dontWake = false }: AnswerOptions = {},
): number {
  return answer(cpu, ctx, start, len, (mm) => {
    const error = mwriteprotect_range(cpu, ctx, mm, start as Vpn, (start + len) as Vpn, protect);
    if (error === 0 && !protect && !dontWake) wake_userfault(cpu, ctx, start, start + len);
    return error;
  });
}

/** UFFDIO_WAKE: the faults on the range start over, whatever has become of their pages. @locks none. Never sleeps. @returns 0 or EINVAL */
export function userfaultfd_wake(cpu: Cpu, ctx: UffdId, start: number, len: number): number {
  count_vm_event(cpu, SYSCALLS);
  if (!validRange(start, len)) {
    count_vm_event(cpu, SYSCALLS_FAILED);
    return EINVAL;
  }
  wake_userfault(cpu, ctx, start, start + len);
  return 0;
}

/** What all answers have in common: the first look at changes under way, and a use of the address space while they last. */
function answer(cpu: Cpu, ctx: UffdId, start: number, len: number, act: (mm: MmId) => number): number {
  const mm = uffdMm(cpu.memory, ctx);
  count_vm_event(cpu, SYSCALLS);
  let result: number = EINVAL;
  if (validRange(start, len)) result = uffdMmapChanging(cpu, ctx) ? EAGAIN : ESRCH;
  if (result === ESRCH && mmget_not_zero(cpu, mm)) {
    result = act(mm);
    mmput(cpu, mm);
  }
  count_vm_event(cpu, result < 0 ? SYSCALLS_FAILED : USERFAULT_HANDLED);
  return result;
}

/** @locks takes mmap_lock for reading, map_changing_lock shared */
function mwriteprotect_range(cpu: Cpu, ctx: UffdId, mm: MmId, start: Vpn, end: Vpn, protect: boolean): number {
  mmap_read_lock(cpu, mm);
  lockMapChanging(cpu, ctx);
  const result = uffdMmapChanging(cpu, ctx) ? EAGAIN : protectAreas(cpu, mm, start, end, protect);
  unlockMapChanging(cpu, ctx);
  mmap_read_unlock(cpu, mm);
  return result;
}

/** @locks in: mmap read */
function protectAreas(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, protect: boolean): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  let error: number = ENOENT;
  for (let vma = mas_find(cpu, tree, start); vma !== NO_VMA && vm_start(m, vma) < end; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    if (!userfaultfd_wp(m, vma)) return ENOENT;
    error = uffd_wp_range(cpu, vma, Math.max(start, vm_start(m, vma)) as Vpn, Math.min(end, vm_end(m, vma)) as Vpn, protect);
    if (error !== 0) return error;
  }
  return error;
}

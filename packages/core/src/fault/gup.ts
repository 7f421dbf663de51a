/**
 * GUP: the kernel reaches for pages of an address space, its own task's or another's, under mmap_lock. A page that is not there is faulted in, and
 * when that fault had to drop the lock, the rest is another matter:
 *
 *   bulk: pages 0 1 2 3      the fault on page 2 drops mmap_lock: two pages are done, the lock is gone, and every area that was found with it
 *   signal? mmap_lock again, killable
 *   one page, TRIED: 2       may drop it again: then once more from the line above
 *   bulk: pages 3 ...
 *
 * @kernel mm/gup.c __get_user_pages(), __get_user_pages_locked(), pin_user_pages_remote(), get_user_pages_unlocked()
 * @fidelity reduced: no fast path, no long-term pins, no pages without a folio
 * Next: user/process_vm_access.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { MmId, Pfn, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { EAGAIN, EBUSY, EFAULT, EINTR, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { restoreAreas } from '../mm/area_token.ts';
import { mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_assert_locked, mmap_read_lock_killable, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { vm_end } from '../mm/vm_area_struct.ts';
import { cond_resched } from '../sched/cond_resched.ts';
import { fatal_signal_pending, signal_pending } from '../sched/task.ts';
import { at, BETWEEN_GUP_ATTEMPTS } from '../trace/points.ts';
import { faultin_page } from './faultin_page.ts';
import {
  FOLL_GET,
  FOLL_INTERRUPTIBLE,
  FOLL_MADV_POPULATE,
  FOLL_PIN,
  FOLL_REMOTE,
  FOLL_TOUCH,
  FOLL_TRIED,
  FOLL_UNLOCKABLE,
  type GupLock,
} from './foll_flags.ts';
import { check_vma_flags, follow_page_pte, MUST_UNSHARE, NOT_THERE } from './follow_page.ts';

/** Where the frames go, in the order of the pages; null when only their presence counts. ZERO_PFN has no reference. */
export type Pages = Pfn[] | null;

/**
 * Pages [start, start + count), as many as there are before an error, or before mmap_lock had to be dropped.
 * @locks in: mmap_lock. out: the same, or nothing when lock.locked is false. May sleep.
 * @returns pages done, if any or if the lock is gone; otherwise an errno
 */
export function __get_user_pages(cpu: Cpu, mm: MmId, start: Vpn, count: number, foll: number, pages: Pages, lock: GupLock): number {
  const m = cpu.memory;
  let vma: VmaId = NO_VMA;
  for (let done = 0; done < count; done++) {
    const vpn = (start + done) as Vpn;
    if (vma === NO_VMA || vpn >= vm_end(m, vma)) {
      vma = mas_walk(cpu, mmTree(m, mm), vpn);
      const error = refused(cpu, vma, foll);
      if (error !== 0) return orError(done, error);
    }
    const error = getOne(cpu, mm, vma, vpn, foll, pages, lock);
    if (cpu.verify) restoreAreas(cpu);
    if (error !== 0) return orError(done, error === EBUSY || error === EAGAIN ? 0 : error);
  }
  return count;
}

/** What was done counts; the error is found again by whoever goes on. */
const orError = (done: number, error: number): number => (done > 0 ? done : error);

function refused(cpu: Cpu, vma: VmaId, foll: number): number {
  const forMadvise = (foll & FOLL_MADV_POPULATE) !== 0;
  if (vma === NO_VMA) return forMadvise ? ENOMEM : EFAULT;
  const error = check_vma_flags(cpu, vma, foll);
  return error !== 0 && forMadvise ? EINVAL : error;
}

/** L01: faults on one page without a loss of mmap_lock, so many that only a fault which cannot end has them. */
const TRIES_MAX = 1_000;

/** @returns 0, or why it ended; EBUSY and EAGAIN say that there is nothing wrong */
function getOne(cpu: Cpu, mm: MmId, vma: VmaId, vpn: Vpn, foll: number, pages: Pages, lock: GupLock): number {
  for (let tries = 1; ; tries++) {
    if (cpu.verify) invariant(tries <= TRIES_MAX, 'L01', 'GUP faults again and again and never drops mmap_lock');
    if (fatal_signal_pending(cpu)) return EINTR;
    cond_resched(cpu, tries);
    const found = follow_page_pte(cpu, mm, vpn, foll);
    if (found !== NOT_THERE && found !== MUST_UNSHARE) {
      pages?.push(found as Pfn);
      return 0;
    }
    const error = faultin_page(cpu, vma, vpn, foll, found === MUST_UNSHARE, lock);
    if (error !== 0) return error;
  }
}

/** Must the call end for a signal? */
const gup_signal_pending = (cpu: Cpu, foll: number): boolean =>
  fatal_signal_pending(cpu) || ((foll & FOLL_INTERRUPTIBLE) !== 0 && signal_pending(cpu));

/**
 * As many pages of the range as there are, through every loss of the lock.
 * @param lock locked: the caller has mmap_lock and is told if it is gone on return; not locked: it is taken here, and released
 * @locks in: mmap_lock for reading if lock.locked. out: the same, or nothing when lock.locked is false. May sleep.
 * @returns pages done, if any; otherwise an errno, EAGAIN when a fatal signal ended the first wait for the lock; 0 with FOLL_NOWAIT
 */
export function __get_user_pages_locked(cpu: Cpu, mm: MmId, start: Vpn, count: number, foll: number, pages: Pages, lock: GupLock): number {
  let mustUnlock = false;
  if (lock.locked) mmap_assert_locked(cpu, mm);
  else {
    if (mmap_read_lock_killable(cpu, mm) !== 0) return EAGAIN;
    lock.locked = true;
    mustUnlock = true;
  }
  const how = pages !== null && (foll & FOLL_PIN) === 0 ? foll | FOLL_GET : foll;
  let done = 0;
  let error = 0;
  while (done < count) {
    const got = __get_user_pages(cpu, mm, (start + done) as Vpn, count - done, how, pages, lock);
    if (got > 0) done += got;
    else error = got;
    if (lock.locked) break; // All there is. An error comes again to whoever asks again; FOLL_NOWAIT stops without one.
    assert(
      (how & FOLL_UNLOCKABLE) !== 0 && got >= 0 && done < count,
      '__get_user_pages_locked: the lock was dropped, but all is done, or wrong',
    );
    mustUnlock = true;
    error = getOneTried(cpu, mm, (start + done) as Vpn, how, pages, lock);
    if (error !== 1) break;
    done++;
  }
  if (mustUnlock && lock.locked) {
    mmap_read_unlock(cpu, mm);
    lock.locked = false;
  }
  return done > 0 ? done : error;
}

/**
 * The page whose fault dropped the lock, as often as it drops it.
 * @locks in: nothing. out: mmap read, or nothing when lock.locked is false. @returns 1, or an errno
 */
function getOneTried(cpu: Cpu, mm: MmId, vpn: Vpn, foll: number, pages: Pages, lock: GupLock): number {
  for (;;) {
    at(cpu, BETWEEN_GUP_ATTEMPTS);
    if (gup_signal_pending(cpu, foll)) return EINTR;
    const killed = mmap_read_lock_killable(cpu, mm);
    if (killed !== 0) return killed;
    lock.locked = true;
    const got = __get_user_pages(cpu, mm, vpn, 1, foll | FOLL_TRIED, pages, lock);
    if (lock.locked) return got;
    assert(got === 0, '__get_user_pages_locked: the lock was dropped for a page that is done');
  }
}

/** Pins pages of any address space. The caller keeps it alive, and unpins what it gets. @locks, @returns as __get_user_pages_locked() */
export function pin_user_pages_remote(cpu: Cpu, mm: MmId, start: Vpn, count: number, foll: number, pages: Pfn[], lock: GupLock): number {
  const how = foll | FOLL_PIN | FOLL_TOUCH | FOLL_REMOTE | FOLL_UNLOCKABLE;
  return __get_user_pages_locked(cpu, mm, start, count, how, pages, lock);
}

/** References on pages of the running address space. @locks none in, none out; may sleep. @returns pages done, if any; otherwise an errno */
export function get_user_pages_unlocked(cpu: Cpu, start: Vpn, count: number, foll: number, pages: Pfn[]): number {
  return __get_user_pages_locked(cpu, cpu.mm, start, count, foll | FOLL_TOUCH | FOLL_UNLOCKABLE, pages, { locked: false });
}

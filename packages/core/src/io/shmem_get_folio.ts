/**
 * The folio of a page of a shmem file: found, made, or (once it has been in swap) read. Everybody who needs one comes here: faults, read and write
 * of the file, userfaultfd. Waits for a folio that somebody has locked are uninterruptible, and a fault keeps its lock meanwhile.
 *
 *   faulting CPU A                            faulting CPU B, same page
 *   1 finds a hole, takes a frame
 *                                             2 finds a hole, takes a frame
 *   3 puts it, locked, into the page cache
 *                                             4 may not put its own: EEXIST  <- decides: gives it back, looks again, waits for A's lock
 *   5 zeroes it, up to date, unlocks (later)
 *
 * @kernel mm/shmem.c shmem_get_folio_gfp(), shmem_get_folio()
 * @fidelity reduced: one page per folio; a fault with userfaultfd asks with `noalloc` instead of being handled in the middle
 * Next: io/shmem_swapin_folio.ts, fault/shmem_fault.ts
 */

import type { MappingId, Pfn } from '../base/brand.ts';
import { EEXIST, EINVAL, ENOENT, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { i_size_read } from '../mm/address_space.ts';
import { allocForCache } from '../mm/alloc_or_reclaim.ts';
import { filemap_add_folio, filemap_get_entry, filemap_remove_folio, folioIsOf } from '../mm/filemap.ts';
import { folioSet, folioTest, NO_FOLIO, PG_swapbacked, PG_uptodate, writeStamp } from '../mm/folio.ts';
import { __folio_set_locked, folio_lock, folio_mark_uptodate, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { xa_is_value } from '../mm/swap_entry.ts';
import { count_vm_event, FOLIO_GONE_FOUND_AGAIN } from '../trace/counters.ts';
import { AFTER_FOLIO_LOCK, at, BEFORE_FOLIO_LOCK } from '../trace/points.ts';
import { SWAPIN_AGAIN, shmem_swapin_folio } from './shmem_swapin_folio.ts';

/**
 * What to do about a hole: `read` returns no folio, `noalloc` says ENOENT, `cache` makes a page within the size of the file, `write` makes one
 * anywhere. @kernel enum sgp_type
 */
export type Sgp = 'read' | 'noalloc' | 'cache' | 'write';

export interface ShmemFolio {
  /** 0, or EINVAL behind the end of the file, ENOMEM, ENOENT, EIO. */
  readonly error: number;
  /** Locked, up to date and with a reference for the caller; NO_FOLIO with an error, or for a hole. */
  readonly pfn: Pfn;
  /** It had to be read from swap, also if that failed. */
  readonly major: boolean;
}

const failed = (error: number): ShmemFolio => ({ error, pfn: NO_FOLIO, major: false });
const HOLE: ShmemFolio = failed(0);
/** Instead of an errno: the place in the page cache changed, look again. */
const AGAIN = 1;

/**
 * @locks in: nothing from the folio lock on; a fault holds its fault lock. out: the same and the lock of the folio returned. May sleep,
 * uninterruptibly
 */
export function shmem_get_folio(cpu: Cpu, file: MappingId, index: number, sgp: Sgp): ShmemFolio {
  let major = false;
  for (;;) {
    if (beyondSize(cpu, file, index, sgp)) return failed(EINVAL); // R17
    const entry = filemap_get_entry(cpu, file, index);
    const got = xa_is_value(entry) ? swapIn(cpu, file, index, entry) : fromMemory(cpu, file, index, sgp, entry as Pfn);
    major ||= got.major;
    if (got.error !== AGAIN) return { ...got, major };
    count_vm_event(cpu, FOLIO_GONE_FOUND_AGAIN);
  }
}

/** Only `write` may go beyond the size. */
const beyondSize = (cpu: Cpu, file: MappingId, index: number, sgp: Sgp): boolean => sgp !== 'write' && index >= i_size_read(cpu, file);

function swapIn(cpu: Cpu, file: MappingId, index: number, number: number): ShmemFolio {
  const { error, pfn, read } = shmem_swapin_folio(cpu, file, index, number);
  return { error: error === SWAPIN_AGAIN ? AGAIN : error, pfn, major: read };
}

function fromMemory(cpu: Cpu, file: MappingId, index: number, sgp: Sgp, found: Pfn): ShmemFolio {
  if (found !== NO_FOLIO) return lockFound(cpu, file, index, found);
  if (sgp === 'read') return HOLE;
  return sgp === 'noalloc' ? failed(ENOENT) : fillHole(cpu, file, index, sgp);
}

/** Waits for the lock of a folio that the page cache had, and looks whether it still is the page. */
function lockFound(cpu: Cpu, file: MappingId, index: number, pfn: Pfn): ShmemFolio {
  at(cpu, BEFORE_FOLIO_LOCK);
  folio_lock(cpu, pfn); // Row 46: neither politeness nor a signal ends this wait.
  at(cpu, AFTER_FOLIO_LOCK);
  if (!folioIsOf(cpu, pfn, file, index)) {
    folio_unlock(cpu, pfn); // R14: punched, truncated or swapped out meanwhile.
    folio_put(cpu, pfn);
    return failed(AGAIN);
  }
  if (!folioTest(cpu, pfn, PG_uptodate)) zeroFill(cpu, pfn); // Reserved by somebody, never used.
  return { error: 0, pfn, major: false };
}

function fillHole(cpu: Cpu, file: MappingId, index: number, sgp: Sgp): ShmemFolio {
  const pfn = allocForCache(cpu);
  if (pfn === NO_FOLIO) return failed(ENOMEM);
  __folio_set_locked(cpu, pfn);
  folioSet(cpu, pfn, PG_swapbacked);
  const error = filemap_add_folio(cpu, file, index, pfn);
  if (error !== 0) {
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
    return failed(error === EEXIST ? AGAIN : error);
  }
  zeroFill(cpu, pfn);
  // Truncation makes the file smaller before it looks for pages, so one of the two sees the other.
  if (!beyondSize(cpu, file, index, sgp)) return { error: 0, pfn, major: false };
  filemap_remove_folio(cpu, pfn);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn); // The page cache's reference.
  folio_put(cpu, pfn);
  return failed(EINVAL);
}

/** @locks in: the folio lock */
function zeroFill(cpu: Cpu, pfn: Pfn): void {
  writeStamp(cpu, pfn, 0);
  folio_mark_uptodate(cpu, pfn);
}

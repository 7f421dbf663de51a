/**
 * A handler's answer to a missing page: fills pages of an address space that is not its own to fault on, under the lock of the one area that it is for.
 *
 *   answering CPU                             unmapping or moving CPU
 *   1 VMA read lock (or mmap read)
 *   2 map_changing_lock shared, no change under way
 *                                             3 wants to begin a change: waits for map_changing_lock
 *   4 fills the pages                         <- decides: the change begins after the answer, or the answer is refused with EAGAIN
 *
 * @kernel mm/userfaultfd.c mfill_atomic(), mfill_atomic_install_pte(), uffd_mfill_lock(), uffd_lock_vma()
 * @fidelity reduced: a page's contents come as a stamp, not from the handler's memory; no huge pages
 * Next: syscalls/userfaultfd_ioctl.ts
 */

import type { MmId, Pfn, Pte, UffdId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_TABLE, NO_UFFD, NO_VMA } from '../base/brand.ts';
import { EAGAIN, EEXIST, EFAULT, EINTR, EINVAL, ENOENT, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { shmem_mapping } from '../mm/address_space.ts';
import { allocOrReclaim } from '../mm/alloc_or_reclaim.ts';
import { __anon_vma_prepare } from '../mm/anon_vma.ts';
import { NO_FOLIO, writeStamp, ZERO_PFN } from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { pte_alloc, ptep_get, ptep_get_and_clear, set_pte_at } from '../mm/page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_RW, PTE_SPECIAL, PTE_YOUNG, protectionBits, pte_mkuffd_wp, pte_none } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { folio_add_new_anon_rmap, folio_add_rmap_pte } from '../mm/rmap.ts';
import {
  is_pte_marker,
  make_pte_marker,
  PTE_MARKER_POISONED,
  PTE_MARKER_UFFD_WP,
  pte_marker_get,
  pte_to_swp_entry,
} from '../mm/swap_entry.ts';
import { lockMapChanging, uffdMm, uffdMmapChanging, unlockMapChanging } from '../mm/userfaultfd_ctx.ts';
import { vm_end, vm_file, vm_flags, vm_userfaultfd_ctx, vma_anon_vma, vma_is_anonymous, vmaAnonVmaOnce } from '../mm/vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_SHARED, VM_UFFD_WP, VM_WRITE } from '../mm/vm_flags.ts';
import { lock_vma_under_rcu, vma_end_read, vma_start_read } from '../mm/vma_lock.ts';
import { VMA_LOCKED } from '../mm/vma_start_read.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { count_vm_event, VMA_LOCK_ABORT_UFFD } from '../trace/counters.ts';
import { type InstallFolio, mfill_atomic_pte_continue, mfill_file_over_size, shmem_mfill_atomic_pte } from './mfill_shmem.ts';

/** What the pages are filled with. */
export type Fill =
  /** Own pages with these stamps. */
  | { readonly kind: 'copy'; readonly stamp: (vpn: number) => number }
  /** The zero page; in shared shmem a page that holds zero. */
  | { readonly kind: 'zero' }
  /** The page that the shmem file has. */
  | { readonly kind: 'continue' }
  /** A mark: an access gets SIGBUS. */
  | { readonly kind: 'poison' };

/** Pages filled before an error, and the error or 0. */
export interface Filled {
  readonly done: number;
  readonly error: number;
}

const failed = (error: number): Filled => ({ done: 0, error });

/** The area of an answer, and which lock keeps it. */
interface FillLock {
  readonly vma: VmaId;
  readonly mode: 'vma' | 'mmap';
}

/**
 * Fills [start, start + len) of the context's address space.
 * @param wp the new entries are write-protected for the handler
 * @locks in: nothing; the caller is a user of the address space. out: nothing. May sleep
 */
export function mfill_atomic(cpu: Cpu, ctx: UffdId, start: Vpn, len: number, fill: Fill, wp: boolean): Filled {
  const mm = uffdMm(cpu.memory, ctx);
  const end = (start + len) as Vpn;
  const lock = uffd_mfill_lock(cpu, mm, start, end);
  if (typeof lock === 'number') return failed(lock);
  lockMapChanging(cpu, ctx);
  const error = uffdMmapChanging(cpu, ctx) ? EAGAIN : mayFill(cpu, lock.vma, fill, wp);
  const filled = error !== 0 ? failed(error) : fillPages(cpu, mm, lock.vma, start, end, fill, wp);
  unlockMapChanging(cpu, ctx);
  uffd_mfill_unlock(cpu, mm, lock);
  return filled;
}

function mayFill(cpu: Cpu, vma: VmaId, fill: Fill, wp: boolean): number {
  const m = cpu.memory;
  if (wp && (vm_flags(m, vma) & VM_UFFD_WP) === 0) return EINVAL;
  const shmem = !vma_is_anonymous(m, vma) && shmem_mapping(m, vm_file(m, vma));
  if (fill.kind === 'continue') return shmem ? 0 : EINVAL;
  return shmem || vma_is_anonymous(m, vma) ? 0 : EINVAL;
}

function fillPages(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn, fill: Fill, wp: boolean): Filled {
  for (let vpn = start as number; vpn < end; vpn++) {
    const error = fillPage(cpu, mm, vma, vpn as Vpn, fill, wp);
    if (error !== 0) return { done: vpn - start, error };
    if (fatal_signal_pending(cpu)) return { done: vpn + 1 - start, error: EINTR };
  }
  return { done: end - start, error: 0 };
}

/** @locks in: the lock of the answer @kernel mfill_atomic_pte() */
function fillPage(cpu: Cpu, mm: MmId, vma: VmaId, vpn: Vpn, fill: Fill, wp: boolean): number {
  if (fill.kind === 'poison') return fillPrivate(cpu, mm, vma, vpn, fill, wp);
  const install: InstallFolio = (pfn) => mfill_atomic_install_pte(cpu, mm, vma, vpn, entryOf(cpu, vma, pfn, true, wp), pfn, true);
  if (fill.kind === 'continue') return mfill_atomic_pte_continue(cpu, vma, vpn, install);
  if ((vm_flags(cpu.memory, vma) & VM_SHARED) === 0) return fillPrivate(cpu, mm, vma, vpn, fill, wp);
  return shmem_mfill_atomic_pte(cpu, vma, vpn, fill.kind === 'copy' ? fill.stamp(vpn) : 0, install);
}

/** One page of private memory. @kernel mfill_atomic_pte_copy(), mfill_atomic_pte_zeropage(), mfill_atomic_pte_poison() */
function fillPrivate(cpu: Cpu, mm: MmId, vma: VmaId, vpn: Vpn, fill: Fill, wp: boolean): number {
  let fresh: Pfn = NO_FOLIO;
  if (fill.kind === 'copy') {
    fresh = allocOrReclaim(cpu, mm);
    if (fresh === NO_FOLIO) return ENOMEM;
    writeStamp(cpu, fresh, fill.stamp(vpn));
  }
  const error = mfill_atomic_install_pte(cpu, mm, vma, vpn, newEntry(cpu, vma, fresh, fill, wp), fresh, false);
  if (error !== 0 && fresh !== NO_FOLIO) folio_put(cpu, fresh);
  return error;
}

function newEntry(cpu: Cpu, vma: VmaId, fresh: Pfn, fill: Fill, wp: boolean): Pte {
  if (fill.kind === 'poison') return make_pte_marker(PTE_MARKER_POISONED);
  if (fill.kind === 'zero') return mk_pte(ZERO_PFN, protectionBits(accessible(cpu, vma)) | PTE_YOUNG | PTE_SPECIAL);
  return entryOf(cpu, vma, fresh, false, wp);
}

const accessible = (cpu: Cpu, vma: VmaId): boolean => (vm_flags(cpu.memory, vma) & VM_ACCESS_FLAGS) !== 0;

/** @param cached the page is the file's: a private area may not write to it */
function entryOf(cpu: Cpu, vma: VmaId, pfn: Pfn, cached: boolean, wp: boolean): Pte {
  const flags = vm_flags(cpu.memory, vma);
  const writable = (flags & VM_WRITE) !== 0 && (!cached || (flags & VM_SHARED) !== 0);
  const pte = mk_pte(pfn, protectionBits(accessible(cpu, vma)) | PTE_YOUNG | PTE_DIRTY | (writable ? PTE_RW : 0));
  return wp ? pte_mkuffd_wp(pte) : pte;
}

/**
 * Writes the entry unless there is one. @param pfn the page that it leads to, or NO_FOLIO. @param cached it is the file's, locked
 * @returns 0, EEXIST, EFAULT behind the end of the file, or ENOMEM
 */
function mfill_atomic_install_pte(cpu: Cpu, mm: MmId, vma: VmaId, vpn: Vpn, pte: Pte, pfn: Pfn, cached: boolean): number {
  const table = pte_alloc(cpu, mm, vpn);
  if (table === NO_TABLE) return ENOMEM;
  const entry = pte_offset_map_lock(cpu, table, vpn);
  let error = isFree(ptep_get(cpu, entry)) ? 0 : EEXIST;
  if (cached && mfill_file_over_size(cpu, vma, vpn)) error = EFAULT;
  if (error === 0) {
    if (!pte_none(ptep_get(cpu, entry))) ptep_get_and_clear(cpu, entry);
    if (cached) folio_add_rmap_pte(cpu, pfn, vma);
    else if (pfn !== NO_FOLIO) {
      folio_add_new_anon_rmap(cpu, pfn, vma, vpn);
      folio_add_lru(cpu, pfn);
    }
    set_pte_at(cpu, entry, pte); // Before the search for waiters. Pairs with: userfaultfd_must_wait().
  }
  pte_unmap_unlock(cpu, table);
  return error;
}

/** Nothing there, or only the mark that a page which may come is write-protected. @kernel pte_none_mostly(), is_uffd_pte_marker() */
const isFree = (pte: Pte): boolean => pte_none(pte) || (is_pte_marker(pte) && pte_marker_get(pte_to_swp_entry(pte)) === PTE_MARKER_UFFD_WP);

// --- the lock of an answer ----------------------------------------------------------------------------------------------------------------

/** Since 6.9 an answer needs only the lock of its area. The policies have no version between that and the delayed anon_vma of 6.10. */
const underVmaLock = (cpu: Cpu): boolean => cpu.policy.vmaLock !== 'none' && cpu.policy.anonVmaUnderVmaLock;

/** @locks out: VMA read or mmap read on the area that has the whole range and is registered. @returns ENOENT, ENOMEM or EAGAIN with nothing held */
function uffd_mfill_lock(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): FillLock | number {
  const m = cpu.memory;
  const found = underVmaLock(cpu) ? uffd_lock_vma(cpu, mm, start) : underMmapLock(cpu, mm, start);
  if (typeof found === 'number') return found;
  if (end <= vm_end(m, found.vma) && vm_userfaultfd_ctx(m, found.vma) !== NO_UFFD) return found;
  uffd_mfill_unlock(cpu, mm, found);
  return ENOENT;
}

export function uffd_mfill_unlock(cpu: Cpu, mm: MmId, { vma, mode }: FillLock): void {
  if (mode === 'vma') vma_end_read(cpu, vma);
  else mmap_read_unlock(cpu, mm);
}

/**
 * The area of a page, read-locked, with an anon_vma if it is private. Without one, or when the lookup without mmap_lock gives up, mmap_lock is held for
 * the moment that it takes to prepare it and to lock the area, which cannot fail for a writer then. @locks out: VMA read
 */
function uffd_lock_vma(cpu: Cpu, mm: MmId, vpn: Vpn): FillLock | number {
  const m = cpu.memory;
  const quick = lock_vma_under_rcu(cpu, mm, vpn);
  if (quick !== NO_VMA) {
    if ((vm_flags(m, quick) & VM_SHARED) !== 0 || vmaAnonVmaOnce(cpu, m, quick) !== NO_ANON_VMA) return { vma: quick, mode: 'vma' };
    vma_end_read(cpu, quick);
  } else count_vm_event(cpu, VMA_LOCK_ABORT_UFFD);
  const found = underMmapLock(cpu, mm, vpn);
  if (typeof found === 'number') return found;
  const locked = vma_start_read(cpu, mm, found.vma) === VMA_LOCKED; // Only too many readers can refuse it.
  mmap_read_unlock(cpu, mm);
  return locked ? { vma: found.vma, mode: 'vma' } : EAGAIN;
}

/** @locks out: mmap read. @kernel find_vma_and_prepare_anon() */
function underMmapLock(cpu: Cpu, mm: MmId, vpn: Vpn): FillLock | number {
  const m = cpu.memory;
  mmap_read_lock(cpu, mm);
  const vma = mas_walk(cpu, mmTree(m, mm), vpn);
  const private_ = vma !== NO_VMA && (vm_flags(m, vma) & VM_SHARED) === 0;
  const error = vma === NO_VMA ? ENOENT : private_ && vma_anon_vma(m, vma) === NO_ANON_VMA && !__anon_vma_prepare(cpu, vma) ? ENOMEM : 0;
  if (error === 0) return { vma, mode: 'mmap' };
  mmap_read_unlock(cpu, mm);
  return error;
}

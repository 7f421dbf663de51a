/**
 * fork: copies an address space. Private pages are shared read-only between parent and child until one of them writes.
 *
 *   forking CPU                               faulting CPU of the parent
 *   1 mmap write
 *   2 VMA write on the area: waits
 *                                             3 holds VMA read: installs a writable entry
 *   4 write-protects and copies the entries   <- decides: after 2 nobody can make one writable behind our back
 *   5 flushes: no writable translation is left
 *
 * @kernel kernel/fork.c dup_mmap(); mm/memory.c copy_page_range()
 * @fidelity reduced: only a pinned page is copied at once; the copy is not preallocated
 * Next: fault/do_wp_page.ts
 */

import type { MmId, Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_ANON_VMA, NO_MM, NO_TABLE, NO_VMA } from '../base/brand.ts';
import { EINTR, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { lockWaitedUs, noteFork } from '../locking/lock_waits.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { allocCharged } from '../mm/alloc_or_reclaim.ts';
import { anon_vma_fork, unlink_anon_vmas } from '../mm/anon_vma.ts';
import {
  folio_get,
  folio_maybe_dma_pinned,
  folio_test_anon,
  folioClear,
  folioTest,
  NO_FOLIO,
  PG_anon_exclusive,
  readStamp,
  writeStamp,
} from '../mm/folio.ts';
import { folio_add_lru } from '../mm/folio_add_lru.ts';
import { mas_destroy, mas_find, mas_preallocate, mt_next } from '../mm/maple_tree.ts';
import * as mmRecord from '../mm/mm_struct.ts';
import { RLIM_INFINITY } from '../mm/mm_struct.ts';
import { mmap_write_lock, mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { findPteTable, PMD_PAGES, pte_alloc, ptep_get, ptep_set_wrprotect, pteWord, set_pte_at, tableLockWord } from '../mm/page_table.ts';
import {
  mk_pte,
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_RW,
  PTE_YOUNG,
  pte_clear_uffd_wp,
  pte_mkclean,
  pte_mkold,
  pte_mkuffd_wp,
  pte_none,
  pte_pfn,
  pte_present,
  pte_special,
  pte_write,
  pte_wrprotect,
} from '../mm/pte.ts';
import { folio_add_new_anon_rmap, folio_add_rmap_pte } from '../mm/rmap.ts';
import { flush_tlb_mm } from '../mm/tlb.ts';
import { userfaultfd_pte_wp, userfaultfd_wp } from '../mm/userfaultfd_k.ts';
import { vm_end, vm_flags, vm_flags_reset, vm_mm, vm_start, vma_anon_vma, vma_pages } from '../mm/vm_area_struct.ts';
import { is_cow_mapping, VM_DONTCOPY, VM_LOCKED_MASK, VM_SHARED, VM_WIPEONFORK, VM_WRITE } from '../mm/vm_flags.ts';
import { freeVmaSlot, vm_area_dup, vm_stat_account, vma_iter_store_new } from '../mm/vma.ts';
import { vma_link_file } from '../mm/vma_file.ts';
import { vma_assert_write_locked, vma_start_write } from '../mm/vma_lock.ts';
import { MUTANT_B02 } from '../mutants/ids.ts';
import { rcu_note_quiescent } from '../sched/rcu_state.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { at, IN_FORK_COPY } from '../trace/points.ts';
import { copy_nonpresent_pte, NOW_PRESENT } from './copy_nonpresent_pte.ts';
import { mmput } from './exit_mmap.ts';
import { dup_userfaultfd, dup_userfaultfd_fail, type UserfaultEvents, userfaultfdComplete } from './userfaultfd_event.ts';

/**
 * A copy of the running address space, with one user: the caller. The child's task is another CPU that switches to it. Whoever is being killed has
 * no child: its pages may be gone already, and the child would take the holes for fresh pages.
 *
 *   forking CPU                               killer, reaper
 *                                             1 SIGKILL to all users of the address space
 *                                             2 zaps its pages under mmap read, trylock
 *   3 mmap write, copies what is left
 *   4 SIGKILL?  <- decides: it came before the first page went, so no child with holes comes to life
 *
 * @locks none in, none out. Takes mmap_lock of both for writing; may sleep. @returns the new MmId, or an errno: EINTR with a fatal signal
 * @kernel kernel/fork.c copy_process()
 */
export function sys_fork(cpu: Cpu): number {
  count_vm_event(cpu, SYSCALLS);
  if (fatal_signal_pending(cpu)) return failed(cpu, EINTR);
  const child = mmRecord.mm_alloc(cpu);
  if (child === NO_MM) return failed(cpu, ENOMEM);
  const waitedBefore = lockWaitedUs(cpu);
  let error = dup_mmap(cpu, cpu.mm, child);
  noteFork(cpu, waitedBefore);
  if (error === 0 && fatal_signal_pending(cpu)) error = EINTR;
  if (error === 0) return child;
  mmput(cpu, child);
  return failed(cpu, error);
}

function failed(cpu: Cpu, error: number): number {
  count_vm_event(cpu, SYSCALLS_FAILED);
  return error;
}

function dup_mmap(cpu: Cpu, parent: MmId, child: MmId): number {
  const m = cpu.memory;
  if (mmap_write_lock_killable(cpu, parent) !== 0) return EINTR;
  mmap_write_lock(cpu, child); // Nested: nobody else knows the child.
  copyLimits(cpu, parent, child);
  const tree = mmRecord.mmTree(m, parent);
  const events: UserfaultEvents = [];
  let error = 0;
  for (let vma = mas_find(cpu, tree, 0 as Vpn); vma !== NO_VMA && error === 0; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    if (cpu.mutant !== MUTANT_B02) vma_start_write(cpu, vma);
    if ((vm_flags(m, vma) & VM_DONTCOPY) === 0) error = copyArea(cpu, vma, child, events);
    at(cpu, IN_FORK_COPY);
  }
  mmap_write_unlock(cpu, child);
  flush_tlb_mm(cpu, parent); // Before the parent can fault again: entries were write-protected.
  mmap_write_unlock(cpu, parent);
  if (error === 0) userfaultfdComplete(cpu, events);
  else dup_userfaultfd_fail(cpu, events);
  return error;
}

function copyLimits(cpu: Cpu, parent: MmId, child: MmId): void {
  const m = cpu.memory;
  mmRecord.set_mm_memcg(m, child, mmRecord.mm_memcg(m, parent));
  mmRecord.set_oom_score_adj(m, child, mmRecord.oom_score_adj(m, parent));
  mmRecord.set_start_brk(m, child, mmRecord.start_brk(m, parent));
  mmRecord.set_mm_brk(m, child, mmRecord.mm_brk(m, parent));
  mmRecord.set_mmap_base(m, child, mmRecord.mmap_base(m, parent));
  mmRecord.set_max_map_count(m, child, mmRecord.max_map_count(m, parent));
  mmRecord.set_rlimit_as(m, child, mmRecord.rlimit_as(m, parent));
  mmRecord.set_rlimit_stack(m, child, mmRecord.rlimit_stack(m, parent));
  mmRecord.set_rlimit_memlock(m, child, mmRecord.rlimit_memlock(m, parent) || RLIM_INFINITY);
  mmRecord.set_rlimit_data(m, child, mmRecord.rlimit_data(m, parent));
}

/** @locks in: mmap write on both, VMA write on the parent's area. @returns 0, ENOMEM, or EBUSY when a page of a device is locked */
function copyArea(cpu: Cpu, vma: VmaId, child: MmId, events: UserfaultEvents): number {
  const m = cpu.memory;
  const copy = vm_area_dup(cpu, child, vma);
  if (copy === NO_VMA) return ENOMEM;
  vm_flags_reset(m, copy, vm_flags(m, copy) & ~VM_LOCKED_MASK);
  const wiped = (vm_flags(m, vma) & VM_WIPEONFORK) !== 0;
  if (wiped)
    unlink_anon_vmas(cpu, copy); // It has no links yet: this only forgets the parent's anon_vma.
  else if (!anon_vma_fork(cpu, copy, vma)) {
    freeVmaSlot(cpu, copy);
    return ENOMEM;
  }
  if (!mas_preallocate(cpu, mmRecord.mmTree(m, child), 1)) {
    unlink_anon_vmas(cpu, copy);
    freeVmaSlot(cpu, copy);
    return ENOMEM;
  }
  vma_start_write(cpu, copy);
  if (dup_userfaultfd(cpu, copy, child, events) !== 0) {
    mas_destroy(cpu);
    unlink_anon_vmas(cpu, copy);
    freeVmaSlot(cpu, copy);
    return ENOMEM;
  }
  vma_iter_store_new(cpu, child, copy);
  mas_destroy(cpu);
  mmRecord.set_map_count(m, child, mmRecord.map_count(m, child) + 1);
  vm_stat_account(cpu, child, vm_flags(m, copy), vma_pages(m, copy));
  vma_link_file(cpu, copy);
  return wiped ? 0 : copy_page_range(cpu, copy, vma, child);
}

/** Shared pages need no copying: the child faults them in. But nothing in a file says which of them a handler has write-protected. @kernel vma_needs_copy() */
const needsCopy = (cpu: Cpu, copy: VmaId, vma: VmaId): boolean =>
  vma_anon_vma(cpu.memory, vma) !== NO_ANON_VMA || userfaultfd_wp(cpu.memory, copy);

function copy_page_range(cpu: Cpu, copy: VmaId, vma: VmaId, child: MmId): number {
  const m = cpu.memory;
  vma_assert_write_locked(cpu, vma);
  if (!needsCopy(cpu, copy, vma)) return 0;
  const parent = cpu.mm;
  const end = vm_end(m, vma);
  for (let vpn = vm_start(m, vma) as number; vpn < end; ) {
    const tableEnd = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const from = findPteTable(cpu, parent, vpn as Vpn);
    if (from !== NO_TABLE) {
      const to = pte_alloc(cpu, child, vpn as Vpn);
      if (to === NO_TABLE) return ENOMEM;
      const error = copy_pte_range(cpu, copy, vma, from, to, vpn, tableEnd);
      if (error !== 0) return error;
    }
    vpn = tableEnd;
    rcu_note_quiescent(cpu);
  }
  return 0;
}

function copy_pte_range(cpu: Cpu, copy: VmaId, vma: VmaId, from: TableId, to: TableId, start: number, end: number): number {
  const m = cpu.memory;
  // The child's table first, then the parent's: nobody else takes both.
  spin_lock(cpu, tableLockWord(m, to));
  spin_lock(cpu, tableLockWord(m, from));
  let error = 0;
  for (let vpn = start; vpn < end && error === 0; vpn++) {
    const source = pteWord(m, from, vpn as Vpn);
    const target = pteWord(m, to, vpn as Vpn);
    let pte = ptep_get(cpu, source);
    if (pte_none(pte)) continue;
    if (!pte_present(pte)) {
      const outcome = copy_nonpresent_pte(cpu, copy, vma, source, target, pte);
      if (outcome < 0) error = outcome;
      if (outcome !== NOW_PRESENT) continue;
      pte = ptep_get(cpu, source);
    }
    if (mustCopyNow(cpu, pte)) error = copy_present_page(cpu, copy, target, vpn as Vpn, pte) ? 0 : ENOMEM;
    else copyPresent(cpu, copy, vma, source, target, pte);
  }
  spin_unlock(cpu, tableLockWord(m, from));
  spin_unlock(cpu, tableLockWord(m, to));
  return error;
}

/** A page of the parent's own that is pinned: whoever pinned it will write to the parent's page, and the child must not see that. */
function mustCopyNow(cpu: Cpu, pte: Pte): boolean {
  if (pte_special(pte)) return false;
  const pfn = pte_pfn(pte);
  return folio_test_anon(cpu, pfn) && folioTest(cpu, pfn, PG_anon_exclusive) && folio_maybe_dma_pinned(cpu, pfn);
}

/** The child gets its own page; the parent's entry stays as it is. @locks in: both page-table locks. @returns false when memory is out */
function copy_present_page(cpu: Cpu, copy: VmaId, target: Word, vpn: Vpn, seen: Pte): boolean {
  const fresh = allocCharged(cpu, vm_mm(cpu.memory, copy));
  if (fresh === NO_FOLIO) return false;
  writeStamp(cpu, fresh, readStamp(cpu, pte_pfn(seen)));
  folio_add_new_anon_rmap(cpu, fresh, copy, vpn);
  folio_add_lru(cpu, fresh);
  const writable = (vm_flags(cpu.memory, copy) & VM_WRITE) !== 0 && pte_write(seen);
  const pte = mk_pte(fresh, PTE_PRESENT | PTE_YOUNG | PTE_DIRTY | (writable ? PTE_RW : 0));
  set_pte_at(cpu, target, userfaultfd_pte_wp(cpu.memory, copy, seen) ? pte_mkuffd_wp(pte) : pte);
  return true;
}

/** @locks in: both page-table locks */
function copyPresent(cpu: Cpu, copy: VmaId, vma: VmaId, source: Word, target: Word, seen: Pte): void {
  const flags = vm_flags(cpu.memory, vma);
  let pte = seen;
  if (!pte_special(pte)) {
    const pfn = pte_pfn(pte);
    folio_get(cpu, pfn);
    folio_add_rmap_pte(cpu, pfn, copy);
    if (folio_test_anon(cpu, pfn)) folioClear(cpu, pfn, PG_anon_exclusive);
  }
  if (is_cow_mapping(flags) && pte_write(pte)) {
    ptep_set_wrprotect(cpu, source);
    pte = pte_wrprotect(pte);
  }
  if ((flags & VM_SHARED) !== 0) pte = pte_mkclean(pte);
  if (!userfaultfd_wp(cpu.memory, copy)) pte = pte_clear_uffd_wp(pte);
  set_pte_at(cpu, target, pte_mkold(pte));
}

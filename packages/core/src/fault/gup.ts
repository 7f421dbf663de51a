/**
 * GUP: the kernel reaches for a page of an address space, its own task's or another's, under mmap_lock.
 * @kernel mm/gup.c faultin_page(), __get_user_pages(), __get_user_pages_locked(), populate_vma_page_range()
 * @fidelity reduced: one page at a time; no fast path, no FOLL_FORCE, no long-term pins
 * Next: user/kernel_access.ts
 */
import type { MmId, Pfn, VmaId, Vpn } from '../base/brand.ts';
import { NO_TABLE, NO_VMA } from '../base/brand.ts';
import { EFAULT, EINTR, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, folio_test_anon, folioTest, NO_FOLIO, PG_anon_exclusive, pinFolio } from '../mm/folio.ts';
import { mas_walk } from '../mm/maple_tree.ts';
import { mmTree } from '../mm/mm_struct.ts';
import { mmap_read_lock_killable, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { findPteTable, ptep_get } from '../mm/page_table.ts';
import { pte_pfn, pte_present, pte_protnone, pte_special, pte_write } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { count_vm_event, FAULTS_GUP, FAULTS_GUP_RETRIED } from '../trace/counters.ts';
import { handle_mm_fault } from './handle_mm_fault.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
} from './vm_fault.ts';

/** What the caller wants of the page. */
export const FOLL_WRITE = 0x1;
export const FOLL_PIN = 0x2;

/** A page was found: its frame, with a reference or, with FOLL_PIN, a pin (NO_FOLIO is the zero page, which needs none), or an errno. */
export interface GupResult {
  readonly error: number;
  readonly pfn: Pfn;
}
const failed = (error: number): GupResult => ({ error, pfn: NO_FOLIO });

/** faultin_page: the page is there, look again. */
const FAULTED_IN = 0;
/** faultin_page: mmap_lock was dropped. */
const LOCK_DROPPED = 1;

/**
 * Finds one page of an address space, faulting it in as often as it takes.
 * @locks in: nothing; the caller keeps the address space alive. out: nothing. Takes mmap_lock for reading; may sleep.
 */
export function get_user_page(cpu: Cpu, mm: MmId, vpn: Vpn, foll: number): GupResult {
  if (mmap_read_lock_killable(cpu, mm) !== 0) return failed(EINTR);
  let tried = 0;
  for (;;) {
    const vma = mas_walk(cpu, mmTree(cpu.memory, mm), vpn);
    const error = vma === NO_VMA ? EFAULT : check_vma_flags(cpu, vma, foll);
    if (error !== 0) return unlocked(cpu, mm, failed(error));
    const found = follow_page_pte(cpu, mm, vpn, foll);
    if (found.error === 0) return unlocked(cpu, mm, found);
    const unshare = found.error === NEEDS_UNSHARE;
    const answer = faultin_page(cpu, vma, vpn, foll, unshare, tried);
    if (answer < 0) return unlocked(cpu, mm, failed(answer));
    if (answer === FAULTED_IN) continue;
    // The lock is gone, and with it the area: again from the lookup, and no more dropping for politeness.
    tried = FAULT_FLAG_TRIED;
    if (fatal_signal_pending(cpu)) return failed(EINTR);
    if (mmap_read_lock_killable(cpu, mm) !== 0) return failed(EINTR);
  }
}

function unlocked(cpu: Cpu, mm: MmId, result: GupResult): GupResult {
  mmap_read_unlock(cpu, mm);
  return result;
}

/** @kernel check_vma_flags() */
function check_vma_flags(cpu: Cpu, vma: VmaId, foll: number): number {
  const needed = (foll & FOLL_WRITE) !== 0 ? VM_WRITE : VM_READ;
  return (vm_flags(cpu.memory, vma) & needed) === 0 ? EFAULT : 0;
}

const NOT_THERE = 1;
/** A page shared with relatives may not be pinned: the owner would write elsewhere later. @kernel gup_must_unshare() */
const NEEDS_UNSHARE = 2;

/** Looks at the entry, under its lock, and takes a reference if it allows the access. @locks in: mmap read */
function follow_page_pte(cpu: Cpu, mm: MmId, vpn: Vpn, foll: number): GupResult {
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return failed(NOT_THERE);
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const pte = ptep_get(cpu, entry);
  let result = failed(NOT_THERE);
  if (pte_present(pte) && !pte_protnone(pte) && ((foll & FOLL_WRITE) === 0 || pte_write(pte))) {
    const pfn = pte_pfn(pte);
    if (pte_special(pte)) result = { error: 0, pfn: NO_FOLIO };
    else if ((foll & (FOLL_PIN | FOLL_WRITE)) === FOLL_PIN && folio_test_anon(cpu, pfn) && !folioTest(cpu, pfn, PG_anon_exclusive)) {
      result = failed(NEEDS_UNSHARE);
    } else {
      if ((foll & FOLL_PIN) !== 0) pinFolio(cpu, pfn);
      else folio_get(cpu, pfn);
      result = { error: 0, pfn };
    }
  }
  pte_unmap_unlock(cpu, table);
  return result;
}

/**
 * One fault on behalf of GUP. @returns FAULTED_IN with mmap_lock held, LOCK_DROPPED without it, or an errno with it
 * @locks in: mmap read
 */
function faultin_page(cpu: Cpu, vma: VmaId, vpn: Vpn, foll: number, unshare: boolean, tried: number, unlockable = true): number {
  count_vm_event(cpu, FAULTS_GUP);
  let flags = FAULT_FLAG_REMOTE | (unlockable ? FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | tried : 0);
  if ((foll & FOLL_WRITE) !== 0) flags |= FAULT_FLAG_WRITE;
  else if (unshare) flags |= FAULT_FLAG_UNSHARE;
  const result = handle_mm_fault(cpu, vma, vpn, flags);
  if ((result & VM_FAULT_RETRY) !== 0) count_vm_event(cpu, FAULTS_GUP_RETRIED);
  if ((result & (VM_FAULT_COMPLETED | VM_FAULT_RETRY)) !== 0) return LOCK_DROPPED;
  if ((result & VM_FAULT_ERROR) !== 0) return (result & VM_FAULT_OOM) !== 0 ? ENOMEM : EFAULT;
  return FAULTED_IN;
}

export interface Populated {
  readonly done: number;
  readonly error: number;
  readonly dropped: boolean;
}

/**
 * Faults in the pages [start, end) of one area, writing where the area is writable and private, as mlock and MAP_POPULATE do.
 * @param unlockable the caller can live with mmap_lock being dropped; false under mmap_lock for writing
 * @locks in: mmap_lock. out: the same, or nothing with `dropped`. @returns pages done before an error, and the error
 * @kernel populate_vma_page_range()
 */
export function populate_vma_page_range(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn, foll: number, unlockable = true): Populated {
  for (let vpn = start as number; vpn < end; vpn++) {
    for (;;) {
      const found = follow_page_pte(cpu, mm, vpn as Vpn, foll);
      if (found.error === 0) {
        if (found.pfn !== NO_FOLIO) folio_put(cpu, found.pfn);
        break;
      }
      const answer = faultin_page(cpu, vma, vpn as Vpn, foll, false, 0, unlockable);
      if (answer === LOCK_DROPPED) return { done: vpn - start, error: 0, dropped: true };
      if (answer < 0) return { done: vpn - start, error: answer, dropped: false };
    }
    if (fatal_signal_pending(cpu)) return { done: vpn + 1 - start, error: EINTR, dropped: false };
  }
  return { done: end - start, error: 0, dropped: false };
}

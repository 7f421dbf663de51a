/**
 * mprotect: new protection for a range, area by area; neighbours merge or areas split as the flags demand.
 * @kernel mm/mprotect.c do_mprotect_pkey(), mprotect_fixup()
 * @fidelity reduced: no PROT_GROWSDOWN, no protection keys
 * Next: syscalls/change_protection.ts
 */
import type { MmId, Pfn, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_TABLE, NO_VMA } from '../base/brand.ts';
import { EACCES, EINTR, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, NO_FOLIO } from '../mm/folio.ts';
import { folio_lock, folio_unlock } from '../mm/folio_lock.ts';
import { mas_find, mt_next, mt_prev } from '../mm/maple_tree.ts';
import { data_vm, mmTree, set_data_vm } from '../mm/mm_struct.ts';
import { mmap_write_lock_killable, mmap_write_unlock } from '../mm/mmap_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { findPteTable, ptep_get } from '../mm/page_table.ts';
import { pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { vm_end, vm_flags, vm_start, vma_anon_vma, vma_is_anonymous } from '../mm/vm_area_struct.ts';
import {
  calc_vm_prot_bits,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
} from '../mm/vm_flags.ts';
import { vma_modify_flags } from '../mm/vma_merge.ts';
import { MUTANT_B49 } from '../mutants/ids.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { change_protection } from './change_protection.ts';
import { may_expand_vm } from './mmap.ts';
import { populateUnderWriteLock } from './populate.ts';

/** @locks none in, none out. Takes mmap_lock for writing; may sleep. Pages. @returns 0 or an errno; areas before an error keep their change */
export function sys_mprotect(cpu: Cpu, start: number, len: number, prot: number): number {
  const mm = cpu.mm;
  count_vm_event(cpu, SYSCALLS);
  if (len === 0) return 0;
  if (mmap_write_lock_killable(cpu, mm) !== 0) return EINTR;
  const result = do_mprotect(cpu, mm, start as Vpn, (start + len) as Vpn, prot);
  mmap_write_unlock(cpu, mm);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

function do_mprotect(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, prot: number): number {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  const bits = calc_vm_prot_bits(prot);
  for (let at = start; at < end; ) {
    const vma = mas_find(cpu, tree, at);
    // A hole: what came before it stays changed.
    if (vma === NO_VMA || vm_start(m, vma) > at) return ENOMEM;
    const flags = (vm_flags(m, vma) & ~VM_ACCESS_FLAGS) | bits;
    // The MAY bits lie four above the access bits.
    if ((flags & ~(flags >> 4) & VM_ACCESS_FLAGS) !== 0) return EACCES;
    const until = Math.min(vm_end(m, vma), end) as Vpn;
    const error = mprotect_fixup(cpu, mm, vma, at, until, flags);
    if (error !== 0) return error;
    at = until;
  }
  return 0;
}

/** One area, or a part of it. @locks in: mmap write. out: VMA write on it. @kernel mprotect_fixup() */
export function mprotect_fixup(cpu: Cpu, mm: MmId, vma: VmaId, start: Vpn, end: Vpn, wanted: number): number {
  const m = cpu.memory;
  const old = vm_flags(m, vma);
  if (old === wanted) return 0;
  const pages = end - start;
  let flags = wanted;
  if ((flags & VM_WRITE) !== 0) {
    // Only a limit that the change itself breaks: one that was full before says nothing.
    if (!may_expand_vm(cpu, mm, flags, pages) && may_expand_vm(cpu, mm, old, pages)) return ENOMEM;
    if ((old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) === 0) flags |= VM_ACCOUNT;
  } else if ((old & VM_ACCOUNT) !== 0 && vma_is_anonymous(m, vma) && vma_anon_vma(m, vma) === NO_ANON_VMA) {
    // Never written, and not writable any more: nothing to account for.
    flags &= ~VM_ACCOUNT;
  }
  const tree = mmTree(m, mm);
  const prev = mt_prev(cpu, tree, vm_start(m, vma));
  const next = mt_next(cpu, tree, vm_end(m, vma));
  const folio = cpu.mutant === MUTANT_B49 ? lockFirstFolio(cpu, mm, start) : NO_FOLIO;
  const changed = vma_modify_flags(cpu, prev, vma, next, start, end, flags);
  if (folio !== NO_FOLIO) unlockFolio(cpu, folio);
  if (changed === ENOMEM) return ENOMEM;
  change_protection(cpu, changed, start, end);
  if ((old & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED && (flags & VM_WRITE) !== 0)
    populateUnderWriteLock(cpu, changed, start, end);
  if (isData(old)) set_data_vm(m, mm, data_vm(m, mm) - pages);
  if (isData(flags)) set_data_vm(m, mm, data_vm(m, mm) + pages);
  return 0;
}

const isData = (flags: number): boolean => (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) === VM_WRITE;

/** B49: the page is locked before its area. @returns NO_FOLIO when nothing is mapped there, or its folio is busy */
function lockFirstFolio(cpu: Cpu, mm: MmId, vpn: Vpn): Pfn {
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return NO_FOLIO;
  const pte = ptep_get(cpu, pte_offset_map_lock(cpu, table, vpn));
  const pfn = pte_present(pte) && !pte_special(pte) ? pte_pfn(pte) : NO_FOLIO;
  if (pfn !== NO_FOLIO) folio_get(cpu, pfn);
  pte_unmap_unlock(cpu, table);
  if (pfn !== NO_FOLIO) folio_lock(cpu, pfn);
  return pfn;
}

function unlockFolio(cpu: Cpu, pfn: Pfn): void {
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
}

/**
 * GUP's look at the page tables: is the page there, does its entry allow the access, and then a reference or a pin, all under the table's lock.
 *
 *   pinning CPU                               unmapping CPU
 *   1 page-table lock: the page is there
 *   2 takes its pin, drops the lock
 *                                             3 clears the entry, drops the entry's reference
 *   4 uses the page    <- decides: the pin keeps it, whatever becomes of the entry
 *
 * @kernel mm/gup.c follow_page_pte(), check_vma_flags(), gup_must_unshare(), can_follow_write_pte()
 * @fidelity reduced: FOLL_FORCE for reads only; no long-term pins, so pages of files are pinned wherever they are
 * Next: fault/faultin_page.ts
 */
import type { MmId, Pfn, VmaId, Vpn } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import { EFAULT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, folio_test_anon, folioTest, PG_anon_exclusive, pinFolio, ZERO_PFN } from '../mm/folio.ts';
import { findPteTable, ptep_get } from '../mm/page_table.ts';
import { pte_pfn, pte_present, pte_special, pte_write } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { vm_flags } from '../mm/vm_area_struct.ts';
import { VM_IO, VM_MAYREAD, VM_PFNMAP, VM_READ, VM_WRITE } from '../mm/vm_flags.ts';
import { FOLL_FORCE, FOLL_GET, FOLL_PIN, FOLL_WRITE } from './foll_flags.ts';

/** May GUP do this to the area at all? @locks in: mmap_lock. @returns 0 or EFAULT */
export function check_vma_flags(cpu: Cpu, vma: VmaId, foll: number): number {
  const flags = vm_flags(cpu.memory, vma);
  if ((flags & (VM_IO | VM_PFNMAP)) !== 0) return EFAULT;
  if ((foll & FOLL_WRITE) !== 0) return (flags & VM_WRITE) === 0 ? EFAULT : 0;
  const needed = (foll & FOLL_FORCE) === 0 ? VM_READ : VM_MAYREAD;
  return (flags & needed) === 0 ? EFAULT : 0;
}

/** follow_page_pte: nothing is there that allows the access. */
export const NOT_THERE = -1001;
/** A page shared with relatives may not be pinned: the owner would write elsewhere later. @kernel -EMLINK */
export const MUST_UNSHARE = -1002;

/** @locks in: mmap_lock. @returns the frame (ZERO_PFN has no reference), NOT_THERE or MUST_UNSHARE */
export function follow_page_pte(cpu: Cpu, mm: MmId, vpn: Vpn, foll: number): number {
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return NOT_THERE;
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const pte = ptep_get(cpu, entry);
  let result = NOT_THERE;
  // A NUMA hint is no obstacle: the area allows the access, and GUP has no node of its own.
  if (pte_present(pte) && ((foll & FOLL_WRITE) === 0 || pte_write(pte))) {
    const pfn = pte_pfn(pte);
    if (pte_special(pte)) result = ZERO_PFN;
    else result = gup_must_unshare(cpu, foll, pfn) ? MUST_UNSHARE : takeReference(cpu, foll, pfn);
  }
  pte_unmap_unlock(cpu, table);
  return result;
}

/** Is the page there, but somebody else's as well? @locks in: mmap_lock */
export function mustUnshare(cpu: Cpu, mm: MmId, vpn: Vpn, foll: number): boolean {
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return false;
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const pte = ptep_get(cpu, entry);
  const shared = pte_present(pte) && !pte_special(pte) && gup_must_unshare(cpu, foll, pte_pfn(pte));
  pte_unmap_unlock(cpu, table);
  return shared;
}

function gup_must_unshare(cpu: Cpu, foll: number, pfn: Pfn): boolean {
  return (foll & (FOLL_PIN | FOLL_WRITE)) === FOLL_PIN && folio_test_anon(cpu, pfn) && !folioTest(cpu, pfn, PG_anon_exclusive);
}

/** @kernel try_grab_folio() */
function takeReference(cpu: Cpu, foll: number, pfn: Pfn): Pfn {
  if ((foll & FOLL_PIN) !== 0) pinFolio(cpu, pfn);
  else if ((foll & FOLL_GET) !== 0) folio_get(cpu, pfn);
  return pfn;
}

/**
 * Finding the page behind an address of an address space, for operations on one page: with a reference, and without mmap_lock afterwards.
 * @kernel mm/pagewalk.c folio_walk_start(), reduced
 * @fidelity ours
 * Next: syscalls/move_pages.ts
 */
import type { MmId, Pfn, Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE, NO_VMA } from '../base/brand.ts';
import { EFAULT, ENOENT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, NO_FOLIO } from './folio.ts';
import { mas_walk } from './maple_tree.ts';
import { mmTree } from './mm_struct.ts';
import { findPteTable, ptep_get } from './page_table.ts';
import { pte_pfn, pte_present, pte_special } from './pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';

export interface MappedPage {
  /** 0, EFAULT when no area covers the page or it is the zero page, ENOENT when nothing is mapped. */
  readonly error: number;
  readonly vma: VmaId;
  readonly pfn: Pfn;
}

/** The page that is mapped at a place, with a reference. @locks in: mmap_lock, either way. Takes the page-table lock */
export function mappedPage(cpu: Cpu, mm: MmId, vpn: Vpn): MappedPage {
  const vma = mas_walk(cpu, mmTree(cpu.memory, mm), vpn);
  if (vma === NO_VMA) return { error: EFAULT, vma, pfn: NO_FOLIO };
  const table = findPteTable(cpu, mm, vpn);
  if (table === NO_TABLE) return { error: ENOENT, vma, pfn: NO_FOLIO };
  const pte = ptep_get(cpu, pte_offset_map_lock(cpu, table, vpn));
  const error = !pte_present(pte) ? ENOENT : pte_special(pte) ? EFAULT : 0;
  const pfn = error === 0 ? pte_pfn(pte) : NO_FOLIO;
  if (error === 0) folio_get(cpu, pfn);
  pte_unmap_unlock(cpu, table);
  return { error, vma, pfn };
}

/** Does the entry of a page still hold `seen`? Then runs `change` on it, under its lock. @returns whether it did */
export function changeEntryIfSame(
  cpu: Cpu,
  table: TableId,
  vpn: Vpn,
  seen: (pte: Pte) => boolean,
  change: (entry: Word, pte: Pte) => void,
): boolean {
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const pte = ptep_get(cpu, entry);
  const same = seen(pte);
  if (same) change(entry, pte);
  pte_unmap_unlock(cpu, table);
  return same;
}

/**
 * The hardware reports that a frame is broken: every entry that maps it becomes a poison entry, so that its users get a signal instead of wrong
 * data, and the frame is never handed out again.
 * @kernel mm/memory-failure.c memory_failure(), hwpoison_user_mappings(), unpoison_memory()
 * @fidelity reduced: mapped anonymous pages only; nobody is sent a signal at once, they get it at their next access
 * Next: fault/do_nonswap_entry.ts
 */
import type { MmId, Pfn, Vpn, Word } from '../base/brand.ts';
import { NO_ANON_VMA } from '../base/brand.ts';
import { EBUSY } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { put_anon_vma } from './anon_vma.ts';
import {
  folio_index,
  folio_test_anon,
  folioClear,
  folioMapping,
  folioSet,
  folioTest,
  PG_device,
  PG_hwpoison,
  PG_swapcache,
  setFolioMapping,
} from './folio.ts';
import { folio_lock, folio_unlock } from './folio_lock.ts';
import { mappedPage } from './mapped_page.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { folio_put } from './page_alloc.ts';
import { ptep_get, ptep_get_and_clear, set_pte_at } from './page_table.ts';
import { pte_present } from './pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import { folio_remove_rmap_pte } from './rmap.ts';
import { rmapFolio } from './rmap_folio.ts';
import { folio_get_anon_vma, rmapVisitPlaces } from './rmap_places.ts';
import { make_hwpoison_entry, swp_entry_to_pte } from './swap_entry.ts';
import { folio_free_swap } from './swap_state.ts';
import { flush_tlb_range } from './tlb.ts';
import { vm_mm } from './vm_area_struct.ts';

/** Poisons the page that is mapped at a place, as MADV_HWPOISON does. @locks none in or out; may sleep. @returns 0, ENOENT, EFAULT or EBUSY */
export function poisonPage(cpu: Cpu, mm: MmId, vpn: Vpn): number {
  mmap_read_lock(cpu, mm);
  const { error, pfn } = mappedPage(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  return error !== 0 ? error : memory_failure(cpu, pfn);
}

/** The caller's reference is the one that the broken frame keeps for ever. @locks none in or out; may sleep. @returns 0 or EBUSY */
export function memory_failure(cpu: Cpu, pfn: Pfn): number {
  folio_lock(cpu, pfn);
  const anonVma = folio_get_anon_vma(cpu, pfn);
  if (anonVma !== NO_ANON_VMA) folio_free_swap(cpu, pfn);
  const unfit = !folio_test_anon(cpu, pfn) || folioTest(cpu, pfn, PG_hwpoison | PG_swapcache | PG_device) || anonVma === NO_ANON_VMA;
  if (!unfit) {
    folioSet(cpu, pfn, PG_hwpoison);
    rmapVisitPlaces(cpu, folioMapping(cpu, pfn), folio_index(cpu.memory, pfn), (vma, vpn, table) => {
      const entry = pte_offset_map_lock(cpu, table, vpn);
      if (rmapFolio(ptep_get(cpu, entry)) === pfn) {
        poisonEntry(cpu, entry, vm_mm(cpu.memory, vma), vpn, pfn);
        folio_remove_rmap_pte(cpu, pfn, vma);
        folio_put(cpu, pfn);
      }
      pte_unmap_unlock(cpu, table);
    });
    setFolioMapping(cpu, pfn, 0, 0);
  }
  if (anonVma !== NO_ANON_VMA) put_anon_vma(cpu, anonVma);
  folio_unlock(cpu, pfn);
  if (unfit) folio_put(cpu, pfn);
  return unfit ? EBUSY : 0;
}

/** @locks in: the page-table lock */
function poisonEntry(cpu: Cpu, entry: Word, mm: MmId, vpn: Vpn, pfn: Pfn): void {
  const old = ptep_get_and_clear(cpu, entry);
  if (pte_present(old)) flush_tlb_range(cpu, mm, vpn, (vpn + 1) as Vpn);
  set_pte_at(cpu, entry, swp_entry_to_pte(make_hwpoison_entry(pfn)));
}

/** The frame is good again, for tests. The poison entries that name it have been unmapped. @locks none in or out */
export function unpoison_memory(cpu: Cpu, pfn: Pfn): void {
  folioClear(cpu, pfn, PG_hwpoison);
  folio_put(cpu, pfn);
}

/**
 * From an anonymous folio to the entries that map it, each visited under its page-table lock; for who changes entries without any lock of their
 * address spaces: reclaim.
 *
 *   walking CPU (folio locked)                unmapping CPU
 *   1 the folio says: anon_vma A
 *                                             2 takes the last entry away, unlinks the area: A is free, and used again
 *   3 takes a reference on A, whatever it is
 *   4 is the folio still mapped?  <- decides: if so, 2 has not happened, and A is right; else A is given back
 *
 * @kernel mm/rmap.c folio_lock_anon_vma_read(), rmap_walk_anon(); mm/page_vma_mapped.c
 * @fidelity faithful; one page per folio
 * Next: reclaim/try_to_unmap.ts
 */
import type { AnonVmaId, AvcId, Pfn, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_AVC, NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { anon_vma_lock_read, anon_vma_unlock_read, anonVmaFirst, anonVmaNext, avcVma, put_anon_vma, try_get_anon_vma } from './anon_vma.ts';
import { folio_index, folio_mapcount, folio_test_anon, folioAnonVma, folioMapping } from './folio.ts';
import { findPteTable, ptep_get } from './page_table.ts';
import { pte_pfn, pte_present, pte_special } from './pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import type { RmapHit } from './rmap.ts';
import { vm_end, vm_mm, vm_pgoff, vm_start } from './vm_area_struct.ts';

/**
 * Keeps and locks the anon_vma of a folio that is mapped. @locks in: the folio's. out: the anon_vma lock for reading, and a reference; nothing with
 * NO_ANON_VMA, which says that nothing maps the folio any more. May sleep
 */
export function folio_lock_anon_vma_read(cpu: Cpu, pfn: Pfn): AnonVmaId {
  if (!folio_test_anon(cpu, pfn) || folio_mapcount(cpu, pfn) === 0) return NO_ANON_VMA;
  const anonVma = folioAnonVma(folioMapping(cpu, pfn));
  if (!try_get_anon_vma(cpu, anonVma)) return NO_ANON_VMA;
  if (folio_mapcount(cpu, pfn) === 0) {
    put_anon_vma(cpu, anonVma);
    return NO_ANON_VMA;
  }
  anon_vma_lock_read(cpu, anonVma);
  return anonVma;
}

/**
 * Visits every entry that maps the folio, its page-table lock held, until `visit` returns false.
 * @locks in: the folio's. Takes the anon_vma lock for reading and page-table locks, one at a time; may sleep
 */
export function rmapWalkAnonLocked(cpu: Cpu, pfn: Pfn, visit: (hit: RmapHit) => boolean): void {
  const m = cpu.memory;
  const anonVma = folio_lock_anon_vma_read(cpu, pfn);
  if (anonVma === NO_ANON_VMA) return;
  const index = folio_index(m, pfn);
  let more = true;
  for (let avc: AvcId = anonVmaFirst(m, anonVma); more && avc !== NO_AVC; avc = anonVmaNext(m, avc)) {
    const vma = avcVma(m, avc);
    const vpn = (vm_start(m, vma) + index - vm_pgoff(m, vma)) as Vpn;
    if (vpn < vm_start(m, vma) || vpn >= vm_end(m, vma)) continue;
    const table = findPteTable(cpu, vm_mm(m, vma), vpn);
    if (table === NO_TABLE) continue;
    const entry = pte_offset_map_lock(cpu, table, vpn);
    const pte = ptep_get(cpu, entry);
    if (pte_present(pte) && !pte_special(pte) && pte_pfn(pte) === pfn) more = visit({ vma, vpn, table, entry });
    pte_unmap_unlock(cpu, table);
  }
  anon_vma_unlock_read(cpu, anonVma);
  put_anon_vma(cpu, anonVma);
}

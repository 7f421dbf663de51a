/**
 * Reverse mapping: counting the PTEs of a folio, and finding them again.
 * @kernel mm/rmap.c folio_add_new_anon_rmap(), folio_remove_rmap_pte(), rmap_walk_anon()
 * @fidelity reduced: one page per folio
 * Next: fault/do_anonymous_page.ts
 */
import { invariant } from '../base/assert.ts';
import type { AvcId, MmId, Pfn, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { NO_AVC, NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { anon_vma_lock_read, anon_vma_unlock_read, anonVmaFirst, anonVmaNext, anonVmaRoot, avcVma } from './anon_vma.ts';
import {
  anonMapping,
  folio_index,
  folio_test_anon,
  folioAnonVma,
  folioMapcountWord,
  folioMapping,
  folioSet,
  folioTest,
  PG_anon_exclusive,
  PG_swapbacked,
  PG_uptodate,
  setFolioMapping,
} from './folio.ts';
import { anonRssWord, fileRssWord, shmemRssWord } from './mm_struct.ts';
import { findPteTable, ptep_get, pteWord } from './page_table.ts';
import { pte_pfn, pte_present, pte_special } from './pte.ts';
import { linear_page_index, vm_end, vm_mm, vm_pgoff, vm_start, vma_anon_vma } from './vm_area_struct.ts';

/**
 * A new anonymous folio gets its first PTE: it belongs to the area's anon_vma and to this PTE alone; or, when it came back from swap and relatives'
 * entries may lead to the same slot, to the anon_vma at the root of the family, where all of them find it.
 * @locks in: the page-table lock; the area has an anon_vma
 */
export function folio_add_new_anon_rmap(cpu: Cpu, pfn: Pfn, vma: VmaId, vpn: Vpn, exclusive = true): void {
  const m = cpu.memory;
  const own = vma_anon_vma(m, vma);
  invariant(own !== 0, 'I24', 'an anonymous page is mapped in an area without an anon_vma');
  const anonVma = exclusive ? own : anonVmaRoot(m, own);
  setFolioMapping(cpu, pfn, anonMapping(anonVma), linear_page_index(m, vma, vpn));
  folioSet(cpu, pfn, PG_swapbacked | PG_uptodate | (exclusive ? PG_anon_exclusive : 0));
  atomic_fetch_add(cpu, folioMapcountWord(m, pfn), 1); // Alone: a count; the PTE follows under the same lock.
  atomic_fetch_add(cpu, anonRssWord(m, vm_mm(m, vma)), 1); // Alone: a count.
}

/** The count of mapped pages that a folio belongs to: anonymous, shmem (pages of files that go to swap), or files. @kernel mm_counter() */
export function rssWord(cpu: Cpu, pfn: Pfn, mm: MmId): Word {
  const m = cpu.memory;
  if (folio_test_anon(cpu, pfn)) return anonRssWord(m, mm);
  return folioTest(cpu, pfn, PG_swapbacked) ? shmemRssWord(m, mm) : fileRssWord(m, mm);
}

/** One more PTE for a folio: fork's copy, or a file's page. @locks in: the page-table lock */
export function folio_add_rmap_pte(cpu: Cpu, pfn: Pfn, vma: VmaId): void {
  const m = cpu.memory;
  atomic_fetch_add(cpu, folioMapcountWord(m, pfn), 1); // Alone: a count.
  atomic_fetch_add(cpu, rssWord(cpu, pfn, vm_mm(m, vma)), 1); // Alone: a count.
}

/** One more PTE for an anonymous folio that comes from the swap cache. @locks in: the page-table lock, the folio's lock */
export function folio_add_anon_rmap_pte(cpu: Cpu, pfn: Pfn, vma: VmaId, exclusive: boolean): void {
  if (exclusive) folioSet(cpu, pfn, PG_anon_exclusive);
  folio_add_rmap_pte(cpu, pfn, vma);
}

/** One PTE less. @locks in: the page-table lock; the entry is gone from the table */
export function folio_remove_rmap_pte(cpu: Cpu, pfn: Pfn, vma: VmaId): void {
  const m = cpu.memory;
  const before = atomic_fetch_add(cpu, folioMapcountWord(m, pfn), -1); // Pairs with: the test in the write-protect fault's reuse.
  invariant(before > 0, 'I17', 'folio_remove_rmap_pte: no PTE maps the folio');
  atomic_fetch_add(cpu, rssWord(cpu, pfn, vm_mm(m, vma)), -1); // Alone: a count.
}

export interface RmapHit {
  readonly vma: VmaId;
  readonly vpn: Vpn;
  readonly table: TableId;
  readonly entry: Word;
}

/**
 * Visits every PTE that maps an anonymous folio, as far as its anon_vma knows. Stops when `visit` returns false.
 * @locks in: the folio cannot be freed. Takes the anon_vma lock for reading; may sleep
 */
export function rmap_walk_anon(cpu: Cpu, pfn: Pfn, visit: (hit: RmapHit) => boolean): void {
  const m = cpu.memory;
  const anonVma = folioAnonVma(folioMapping(cpu, pfn));
  const index = folio_index(m, pfn);
  anon_vma_lock_read(cpu, anonVma);
  for (let avc: AvcId = anonVmaFirst(m, anonVma); avc !== NO_AVC; avc = anonVmaNext(m, avc)) {
    const vma = avcVma(m, avc);
    const vpn = (vm_start(m, vma) + index - vm_pgoff(m, vma)) as Vpn;
    if (vpn < vm_start(m, vma) || vpn >= vm_end(m, vma)) continue;
    const table = findPteTable(cpu, vm_mm(m, vma), vpn);
    if (table === NO_TABLE) continue;
    const entry = pteWord(m, table, vpn);
    const pte = ptep_get(cpu, entry);
    if (!pte_present(pte) || pte_special(pte) || pte_pfn(pte) !== pfn) continue;
    if (!visit({ vma, vpn, table, entry })) break;
  }
  anon_vma_unlock_read(cpu, anonVma);
}

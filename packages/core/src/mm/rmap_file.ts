/**
 * Reverse mapping of files: from a folio to the entries that map it, through the areas on the file's list.
 * @kernel mm/rmap.c rmap_walk_file(), folio_mkclean(), page_mkclean_one()
 * @fidelity reduced: the list is walked to its end, where the kernel has an interval tree; one page per folio
 * Next: mm/folio_dirty.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, Pfn, VmaId, Vpn } from '../base/brand.ts';
import { NO_MAPPING, NO_TABLE, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { at, BEFORE_WRITE_PROTECT } from '../trace/points.ts';
import { i_mmap_first, i_mmap_lock_read, i_mmap_unlock_read, mapping_mapped } from './address_space.ts';
import { folio_index, folio_mapcount, folioFile, folioMapping } from './folio.ts';
import { folio_test_locked } from './folio_lock.ts';
import { findPteTable, ptep_get, ptep_get_and_clear, pteWord, set_pte_at } from './page_table.ts';
import { pte_dirty, pte_mkclean, pte_pfn, pte_present, pte_special, pte_write, pte_wrprotect } from './pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import type { RmapHit } from './rmap.ts';
import { flush_tlb_range } from './tlb.ts';
import { vm_end, vm_flags, vm_mm, vm_pgoff, vm_start, vma_shared_next } from './vm_area_struct.ts';
import { VM_SHARED } from './vm_flags.ts';

/**
 * Visits the place of a file's page in every area that maps it and has a page table there. What the entry holds is for the visitor to see, who
 * takes the lock of the table: without it an entry may just be changing hands (mprotect clears and writes it again). Stops when `visit` returns false.
 * @locks in: the folio lock, so that the page stays this page of this file. Takes i_mmap for reading; may sleep
 */
export function rmap_walk_file(cpu: Cpu, pfn: Pfn, visit: (hit: RmapHit) => boolean): void {
  const m = cpu.memory;
  invariant(folio_test_locked(cpu, pfn), 'I20', 'rmap_walk_file: the folio is not locked');
  const file = folioFile(folioMapping(cpu, pfn));
  if (file === NO_MAPPING || !mapping_mapped(m, file)) return;
  const index = folio_index(m, pfn);
  i_mmap_lock_read(cpu, file);
  for (let vma = i_mmap_first(m, file); vma !== NO_VMA; vma = vma_shared_next(m, vma)) {
    const vpn = (vm_start(m, vma) + index - vm_pgoff(m, vma)) as Vpn;
    if (vpn < vm_start(m, vma) || vpn >= vm_end(m, vma)) continue;
    const table = findPteTable(cpu, vm_mm(m, vma), vpn);
    if (table === NO_TABLE) continue;
    if (!visit({ vma, vpn, table, entry: pteWord(m, table, vpn) })) break;
  }
  i_mmap_unlock_read(cpu, file);
}

/**
 * Makes every shared entry of a file's page read-only and clean, so that the next write faults and the file hears of it.
 *
 *   write-back (folio locked)                 writing CPU
 *                                             1 writes through its cached translation; the entry is dirty
 *   2 clears the entry, flushes: waits for 1
 *   3 writes it back read-only and clean
 *   4 says that the folio was dirty           <- decides: nothing written before 2 is missed
 *                                             5 faults, and dirties the folio again, before it writes more
 *
 * @locks in: the folio lock. Takes i_mmap for reading and page-table locks; may sleep. @returns entries that were dirty or writable @kernel folio_mkclean()
 */
export function page_mkclean(cpu: Cpu, pfn: Pfn): number {
  if (folio_mapcount(cpu, pfn) === 0) return 0; // Pairs with: folio_add_rmap_pte(), under the folio lock for entries that may write.
  let cleaned = 0;
  at(cpu, BEFORE_WRITE_PROTECT);
  rmap_walk_file(cpu, pfn, (hit) => {
    if ((vm_flags(cpu.memory, hit.vma) & VM_SHARED) !== 0 && pageMkcleanOne(cpu, pfn, hit)) cleaned++;
    return true;
  });
  return cleaned;
}

/** One entry, under its lock: cleared, flushed, and written again. */
function pageMkcleanOne(cpu: Cpu, pfn: Pfn, { vma, vpn, table }: RmapHit): boolean {
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const seen = ptep_get(cpu, entry);
  const mine = pte_present(seen) && !pte_special(seen) && pte_pfn(seen) === pfn;
  const cleans = mine && (pte_dirty(seen) || pte_write(seen));
  if (cleans) {
    const old = ptep_get_and_clear(cpu, entry);
    flush_tlb_range(cpu, vm_mm(cpu.memory, vma), vpn, (vpn + 1) as Vpn);
    set_pte_at(cpu, entry, pte_mkclean(pte_wrprotect(old)));
  }
  pte_unmap_unlock(cpu, table);
  return cleans;
}

/** Areas of a file that map a part of [start, end), in the order of the list. @locks in: i_mmap, either way */
export function eachMappingArea(
  cpu: Cpu,
  file: MappingId,
  start: number,
  end: number,
  visit: (vma: VmaId, first: Vpn, last: Vpn) => void,
): void {
  const m = cpu.memory;
  for (let vma = i_mmap_first(m, file); vma !== NO_VMA; vma = vma_shared_next(m, vma)) {
    const offset = vm_start(m, vma) - vm_pgoff(m, vma);
    const first = Math.max(vm_start(m, vma), start + offset);
    const last = Math.min(vm_end(m, vma), end + offset);
    if (first < last) visit(vma, first as Vpn, last as Vpn);
  }
}

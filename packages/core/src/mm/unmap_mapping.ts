/**
 * Taking pages of a file out of every address space that maps them: for truncation and hole punching.
 * Neither mmap_lock nor a VMA lock: the list of areas is held still, and each page table by its own lock. So a fault may be anywhere; the size
 * of the file and the page's mapping, looked at with the folio locked, stop it (R14, R17).
 * @kernel mm/memory.c unmap_mapping_range(), unmap_mapping_pages(), unmap_mapping_folio()
 * @fidelity reduced: the list is walked to its end, where the kernel has an interval tree
 * Next: mm/truncate.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { isAllocated } from '../slab/kmem_cache.ts';
import { at, BEFORE_UNMAP_MAPPING } from '../trace/points.ts';
import { i_mmap_lock_read, i_mmap_unlock_read, mapping_mapped } from './address_space.ts';
import { folio_index, folioFile, folioMapping } from './folio.ts';
import { folio_test_locked } from './folio_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';
import { eachMappingArea } from './rmap_file.ts';
import { vm_mm } from './vm_area_struct.ts';
import { zapRange } from './zap.ts';

/** To the end of any file. */
export const FILE_END = 0x7fffffff;

/**
 * Unmaps the pages [start, end) of a file everywhere. @param evenCows private copies go, too, as they must when the file gets shorter
 * @locks none needed. Takes i_mmap for reading and page-table locks; may sleep
 */
export function unmap_mapping_pages(cpu: Cpu, file: MappingId, start: number, end: number, evenCows: boolean): void {
  at(cpu, BEFORE_UNMAP_MAPPING);
  if (cpu.verify) invariant(isAllocated(cpu.memory, MAPPING_CACHE, file), 'I28', 'pages are unmapped of a file that has ended');
  if (!mapping_mapped(cpu.memory, file)) return;
  i_mmap_lock_read(cpu, file);
  eachMappingArea(cpu, file, start, end, (vma, first, last) => {
    const tlb = tlb_gather_mmu(cpu, vm_mm(cpu.memory, vma));
    zapRange(cpu, tlb, vma, first, last, evenCows, 'keep');
    tlb_finish_mmu(cpu, tlb);
  });
  i_mmap_unlock_read(cpu, file);
}

/** Unmaps one page everywhere, but leaves private copies. Afterwards nobody maps it again: a fault needs the folio lock. @locks in: the folio lock. May sleep */
export function unmap_mapping_folio(cpu: Cpu, pfn: Pfn): void {
  invariant(folio_test_locked(cpu, pfn), 'I20', 'unmap_mapping_folio: the folio is not locked');
  const index = folio_index(cpu.memory, pfn);
  unmap_mapping_pages(cpu, folioFile(folioMapping(cpu, pfn)), index, index + 1, false);
}

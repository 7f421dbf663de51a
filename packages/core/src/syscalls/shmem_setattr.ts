/**
 * Making a shmem file shorter or longer. What lies beyond the new end goes, in memory and in swap; what a longer file gains is a hole.
 * @kernel mm/shmem.c shmem_setattr()
 * @fidelity reduced: sizes in pages; no seals
 * Next: mm/shmem.ts
 */
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { i_size_read, i_size_write } from '../mm/address_space.ts';
import { shmem_truncate_range } from '../mm/shmem.ts';
import { FILE_END, unmap_mapping_pages } from '../mm/unmap_mapping.ts';
import { at, BEFORE_SECOND_UNMAP, BETWEEN_UNMAP_AND_TRUNCATE } from '../trace/points.ts';

/** Sets the size. @locks in: i_rwsem; nothing of an address space. Takes i_mmap, folio locks, page-table locks; may sleep */
export function shmem_setattr(cpu: Cpu, file: MappingId, pages: number): void {
  const before = i_size_read(cpu, file);
  i_size_write(cpu, file, pages);
  if (pages >= before) return;
  unmap_mapping_pages(cpu, file, pages, FILE_END, true);
  at(cpu, BETWEEN_UNMAP_AND_TRUNCATE);
  shmem_truncate_range(cpu, file, pages, FILE_END);
  at(cpu, BEFORE_SECOND_UNMAP);
  unmap_mapping_pages(cpu, file, pages, FILE_END, true); // Copies that a fault made while the page was on its way out.
}

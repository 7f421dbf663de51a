/**
 * Punching a hole into a shmem file. Faults on the hole wait meanwhile (mm/shmem_punch.ts); those that were past that test find their page gone.
 *
 *   punching CPU                              faulting CPU
 *                                             1 no punch yet; finds the folio
 *   2 publishes the range, unmaps it
 *                                             3 locks the folio, maps it, unlocks
 *   4 locks the folio: it is mapped again, so
 *     unmaps it once more, removes it         <- decides: a removed page is mapped nowhere, and 3 after 4 finds that it is not the page (R14)
 *
 * @kernel mm/shmem.c shmem_fallocate()
 * @fidelity reduced: only holes; whole pages
 * Next: mm/shmem_punch.ts
 */
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { shmem_truncate_range } from '../mm/shmem.ts';
import { beginPunch, endPunch } from '../mm/shmem_punch.ts';
import { unmap_mapping_pages } from '../mm/unmap_mapping.ts';
import { at, BETWEEN_UNMAP_AND_TRUNCATE } from '../trace/points.ts';

/**
 * The pages [start, end) read as zero afterwards; private copies stay. @locks in: i_rwsem; nothing of an address space. Takes i_mmap, folio locks,
 * page-table locks; may sleep
 */
export function shmem_fallocate(cpu: Cpu, file: MappingId, start: number, end: number): void {
  beginPunch(cpu, file, start, end);
  unmap_mapping_pages(cpu, file, start, end, false);
  at(cpu, BETWEEN_UNMAP_AND_TRUNCATE);
  shmem_truncate_range(cpu, file, start, end);
  endPunch(cpu, file);
}

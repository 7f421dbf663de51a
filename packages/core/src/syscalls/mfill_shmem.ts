/**
 * A handler's answers for shared shmem: a new page of the file, filled before anybody can find it; or the page that the file has, mapped.
 * @kernel mm/shmem.c shmem_mfill_atomic_pte(); mm/userfaultfd.c mfill_atomic_pte_continue(), mfill_file_over_size()
 * @fidelity reduced: no accounting of blocks
 * Next: syscalls/mfill_atomic.ts
 */

import type { Pfn, VmaId, Vpn } from '../base/brand.ts';
import { EFAULT, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { shmem_get_folio } from '../io/shmem_get_folio.ts';
import { i_size_read } from '../mm/address_space.ts';
import { allocForCache } from '../mm/alloc_or_reclaim.ts';
import { filemap_add_folio, filemap_remove_folio } from '../mm/filemap.ts';
import { folioSet, NO_FOLIO, PG_swapbacked, writeStamp } from '../mm/folio.ts';
import { __folio_set_locked, folio_mark_uptodate, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { linear_page_index, vm_file } from '../mm/vm_area_struct.ts';

/** Writes the entry that leads to a locked folio, whose reference becomes the entry's. @returns 0, EEXIST, EFAULT or ENOMEM: then it stays the caller's */
export type InstallFolio = (pfn: Pfn) => number;

/** Is the page behind the end of the area's file? Asked once more under the page-table lock: truncation zaps after it has made the file smaller. */
export const mfill_file_over_size = (cpu: Cpu, vma: VmaId, vpn: Vpn): boolean =>
  linear_page_index(cpu.memory, vma, vpn) >= i_size_read(cpu, vm_file(cpu.memory, vma));

/**
 * A page that the file does not have yet, with that content.
 * @locks in: the lock of the answer; map_changing_lock. Takes the folio lock. Never waits for one. @returns 0, EEXIST, EFAULT or ENOMEM
 */
export function shmem_mfill_atomic_pte(cpu: Cpu, vma: VmaId, vpn: Vpn, stamp: number, install: InstallFolio): number {
  const m = cpu.memory;
  const pfn = allocForCache(cpu);
  if (pfn === NO_FOLIO) return ENOMEM;
  __folio_set_locked(cpu, pfn);
  folioSet(cpu, pfn, PG_swapbacked);
  writeStamp(cpu, pfn, stamp);
  folio_mark_uptodate(cpu, pfn);
  const index = linear_page_index(m, vma, vpn);
  let error: number = mfill_file_over_size(cpu, vma, vpn) ? EFAULT : filemap_add_folio(cpu, vm_file(m, vma), index, pfn);
  if (error === 0) {
    error = install(pfn);
    if (error !== 0) {
      filemap_remove_folio(cpu, pfn);
      folio_put(cpu, pfn); // The page cache's reference.
    }
  }
  folio_unlock(cpu, pfn);
  if (error !== 0) folio_put(cpu, pfn);
  return error;
}

/**
 * The page that the file has. @locks in: as above. Takes the folio lock; may sleep for it, uninterruptibly. @returns 0, EEXIST, EFAULT where the file has
 * no page, or ENOMEM
 */
export function mfill_atomic_pte_continue(cpu: Cpu, vma: VmaId, vpn: Vpn, install: InstallFolio): number {
  const m = cpu.memory;
  const { error, pfn } = shmem_get_folio(cpu, vm_file(m, vma), linear_page_index(m, vma, vpn), 'noalloc');
  if (error !== 0) return error === ENOMEM ? ENOMEM : EFAULT;
  const installed = install(pfn);
  folio_unlock(cpu, pfn);
  if (installed !== 0) folio_put(cpu, pfn);
  return installed;
}

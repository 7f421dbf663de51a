/**
 * read and write of a file, one page at a time, through the page cache.
 * @kernel mm/filemap.c generic_file_read_iter(), generic_perform_write(); fs/read_write.c ksys_pread64(), ksys_pwrite64()
 * @fidelity reduced: whole pages; the buffer is a word of the CPU, so no access to user memory is involved
 * Next: io/filemap_read.ts
 */

import type { MappingId } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import { EEXIST, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { zeroBlocks } from '../io/device_contents.ts';
import type { DeviceId } from '../io/device_record.ts';
import { filemapReadPage, type PageRead } from '../io/filemap_read.ts';
import { shmem_get_folio } from '../io/shmem_get_folio.ts';
import {
  FILE_DISK,
  fileDevice,
  fileKind,
  filemap_invalidate_lock,
  filemap_invalidate_unlock,
  i_size_read,
  i_size_write,
  inode_lock,
  inode_unlock,
  shmem_mapping,
} from '../mm/address_space.ts';
import { allocForCache } from '../mm/alloc_or_reclaim.ts';
import { balance_dirty_pages_ratelimited } from '../mm/balance_dirty_pages.ts';
import { filemap_add_folio, filemap_get_folio, folioIsOf } from '../mm/filemap.ts';
import { folioTest, NO_FOLIO, PG_uptodate, readStamp, writeStamp, ZERO_PFN } from '../mm/folio.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { __folio_set_locked, folio_lock, folio_mark_uptodate, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { truncate_inode_pages_range } from '../mm/truncate.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { count_vm_event, FILE_READS, FILE_WRITES, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';

/**
 * Reads page `index` into cpu.value.
 * @locks none in, none out; may sleep; the caller keeps the file open. @returns pages read: 1, or 0 at the end of the file; or an errno
 */
export function sys_read(cpu: Cpu, file: MappingId, index: number): number {
  count_vm_event(cpu, SYSCALLS);
  const result = file === NO_MAPPING || index < 0 ? EINVAL : generic_file_read(cpu, file, index);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

function generic_file_read(cpu: Cpu, file: MappingId, index: number): number {
  if (index >= i_size_read(cpu, file)) return 0;
  const { error, pfn } = readPage(cpu, file, index);
  if (error !== 0) return error;
  // The size once more: what was read before the file got shorter does not count.
  const within = index < i_size_read(cpu, file);
  if (within) cpu.value = readStamp(cpu, pfn === NO_FOLIO ? ZERO_PFN : pfn);
  if (pfn !== NO_FOLIO) folio_put(cpu, pfn);
  count_vm_event(cpu, FILE_READS);
  return within ? 1 : 0;
}

/** A page of the file, with a reference; NO_FOLIO for a hole of shmem, which stays one. @kernel shmem_file_read_iter() for shmem */
function readPage(cpu: Cpu, file: MappingId, index: number): PageRead {
  if (!shmem_mapping(cpu.memory, file)) return filemapReadPage(cpu, file, index);
  const { error, pfn } = shmem_get_folio(cpu, file, index, 'read');
  if (pfn !== NO_FOLIO) folio_unlock(cpu, pfn);
  return { error: error === EINVAL ? 0 : error, pfn }; // The file got shorter: the caller looks at the size.
}

/**
 * Writes page `index`; the file grows if it must, and what lies between reads as zero.
 * @locks none in, none out. Takes i_rwsem; may sleep, also because too much is dirty; the caller keeps the file open
 * @returns pages written: 1; or an errno with the page as it was
 */
export function sys_write(cpu: Cpu, file: MappingId, index: number, stamp: number): number {
  count_vm_event(cpu, SYSCALLS);
  if (file === NO_MAPPING || index < 0) {
    count_vm_event(cpu, SYSCALLS_FAILED);
    return EINVAL;
  }
  inode_lock(cpu, file);
  const result = generic_perform_write(cpu, file, index, stamp);
  inode_unlock(cpu, file);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  else balance_dirty_pages_ratelimited(cpu, file);
  return result;
}

/** @locks in: i_rwsem */
function generic_perform_write(cpu: Cpu, file: MappingId, index: number, stamp: number): number {
  const size = i_size_read(cpu, file);
  const error = index > size ? prepareToGrow(cpu, file, size, index) : 0;
  if (error !== 0) return error;
  const { error: failed, pfn } = grabPage(cpu, file, index);
  if (failed !== 0) return failed;
  writeStamp(cpu, pfn, stamp);
  if (!folioTest(cpu, pfn, PG_uptodate)) folio_mark_uptodate(cpu, pfn);
  folio_mark_dirty(cpu, pfn);
  if (index >= size) i_size_write(cpu, file, index + 1);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  count_vm_event(cpu, FILE_WRITES);
  return 1;
}

/** The page's folio, locked, with a reference; it need not be up to date, for all of it is written. @kernel __filemap_get_folio() with FGP_WRITEBEGIN, shmem_write_begin() */
function grabPage(cpu: Cpu, file: MappingId, index: number): PageRead {
  if (shmem_mapping(cpu.memory, file)) return shmem_get_folio(cpu, file, index, 'write');
  for (;;) {
    const found = filemap_get_folio(cpu, file, index);
    if (found !== NO_FOLIO) {
      folio_lock(cpu, found);
      if (folioIsOf(cpu, found, file, index)) return { error: 0, pfn: found }; // R14
      folio_unlock(cpu, found);
      folio_put(cpu, found);
      continue;
    }
    const fresh = allocForCache(cpu);
    if (fresh === NO_FOLIO) return { error: ENOMEM, pfn: NO_FOLIO };
    __folio_set_locked(cpu, fresh);
    const error = filemap_add_folio(cpu, file, index, fresh);
    if (error === 0) return { error, pfn: fresh };
    folio_unlock(cpu, fresh);
    folio_put(cpu, fresh);
    if (error !== EEXIST) return { error, pfn: NO_FOLIO };
  }
}

/**
 * Before a file grows from `size` to `pages`: what lies between is zero on its device, and nothing else is in the page cache. Once the file is
 * longer, anybody may read it.
 *
 *   growing CPU                               reading ahead
 *                                             1 looks at the size, when the file was longer
 *   (the file gets shorter)
 *                                             2 reads a page beyond the end: old contents
 *   3 drops what lies beyond the end          <- decides: it does not come back
 *   4 zeroes the blocks, then the new size
 *
 * @locks in: i_rwsem. Takes the invalidate lock; may sleep. @returns 0, or ENOSPC when the device has no room for the zeroes
 */
export function prepareToGrow(cpu: Cpu, file: MappingId, size: number, pages: number): number {
  if (shmem_mapping(cpu.memory, file)) return 0;
  filemap_invalidate_lock(cpu, file);
  truncate_inode_pages_range(cpu, file, size, FILE_END);
  const error = zeroFileBlocks(cpu, file, size, pages - size);
  filemap_invalidate_unlock(cpu, file);
  return error;
}

/** Blocks of a file become zero, if it has any. @locks in: i_rwsem; no I/O to them is under way. @returns 0 or ENOSPC */
export function zeroFileBlocks(cpu: Cpu, file: MappingId, first: number, count: number): number {
  if (fileKind(cpu.memory, file) !== FILE_DISK) return 0;
  return zeroBlocks(cpu, fileDevice(cpu.memory, file) as DeviceId, file, first, count);
}

/**
 * read and write of a file, one page at a time, through the page cache.
 * @kernel mm/filemap.c generic_file_read_iter(), generic_perform_write(); fs/read_write.c ksys_pread64(), ksys_pwrite64()
 * @fidelity reduced: whole pages; the buffer is a word of the CPU, so no access to user memory is involved
 * Next: io/filemap_read.ts
 */
import type { MappingId, Pfn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import { EEXIST, EINVAL, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { zeroBlocks } from '../io/device_contents.ts';
import type { DeviceId } from '../io/device_record.ts';
import { filemapReadPage } from '../io/filemap_read.ts';
import { FILE_DISK, fileDevice, fileKind, i_size, i_size_write, inode_lock, inode_unlock } from '../mm/address_space.ts';
import { balance_dirty_pages_ratelimited } from '../mm/balance_dirty_pages.ts';
import { filemap_add_folio, filemap_get_folio, folioIsOf } from '../mm/filemap.ts';
import { folioTest, NO_FOLIO, PG_uptodate, readStamp, writeStamp } from '../mm/folio.ts';
import { folio_mark_dirty } from '../mm/folio_dirty.ts';
import { __folio_set_locked, folio_lock, folio_mark_uptodate, folio_unlock } from '../mm/folio_lock.ts';
import { alloc_page, folio_put } from '../mm/page_alloc.ts';
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
  if (index >= i_size(cpu.memory, file)) return 0;
  const { error, pfn } = filemapReadPage(cpu, file, index);
  if (error !== 0) return error;
  // The size once more: what was read before the file got shorter does not count.
  const within = index < i_size(cpu.memory, file);
  if (within) cpu.value = readStamp(cpu, pfn);
  folio_put(cpu, pfn);
  count_vm_event(cpu, FILE_READS);
  return within ? 1 : 0;
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
  const m = cpu.memory;
  const size = i_size(m, file);
  // Zero on the device first: once the file is longer, anybody may read what lies between.
  const error = index > size ? zeroFileBlocks(cpu, file, size, index - size) : 0;
  if (error !== 0) return error;
  const pfn = grabPage(cpu, file, index);
  if (pfn === NO_FOLIO) return ENOMEM;
  writeStamp(cpu, pfn, stamp);
  if (!folioTest(cpu, pfn, PG_uptodate)) folio_mark_uptodate(cpu, pfn);
  folio_mark_dirty(cpu, pfn);
  if (index >= size) i_size_write(m, file, index + 1);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  count_vm_event(cpu, FILE_WRITES);
  return 1;
}

/** The page's folio, locked, with a reference; it need not be up to date, for all of it is written. NO_FOLIO when memory is out. @kernel __filemap_get_folio() with FGP_WRITEBEGIN */
function grabPage(cpu: Cpu, file: MappingId, index: number): Pfn {
  for (;;) {
    const found = filemap_get_folio(cpu, file, index);
    if (found !== NO_FOLIO) {
      folio_lock(cpu, found);
      if (folioIsOf(cpu, found, file, index)) return found; // R14
      folio_unlock(cpu, found);
      folio_put(cpu, found);
      continue;
    }
    const fresh = alloc_page(cpu);
    if (fresh === NO_FOLIO) return NO_FOLIO;
    __folio_set_locked(cpu, fresh);
    const error = filemap_add_folio(cpu, file, index, fresh);
    if (error === 0) return fresh;
    folio_unlock(cpu, fresh);
    folio_put(cpu, fresh);
    if (error !== EEXIST) return NO_FOLIO;
  }
}

/** Blocks of a file become zero, if it has any. @locks in: i_rwsem; no I/O to them is under way. @returns 0 or ENOSPC */
export function zeroFileBlocks(cpu: Cpu, file: MappingId, first: number, count: number): number {
  if (fileKind(cpu.memory, file) !== FILE_DISK) return 0;
  return zeroBlocks(cpu, fileDevice(cpu.memory, file) as DeviceId, file, first, count);
}

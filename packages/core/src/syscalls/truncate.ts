/**
 * Changing the size of a file, and punching holes into it.
 *
 *   truncating CPU                            faulting CPU (private mapping, write)
 *                                             1 finds the page, locks it, size test passes
 *   2 new size; zaps entries: none yet
 *                                             3 copies the page, unlocks it, maps the copy
 *   4 locks the page, removes it
 *   5 zaps entries again, copies included     <- decides: no page lies beyond the end when the call returns (I16)
 *
 * @kernel fs/open.c do_sys_ftruncate(), vfs_fallocate(); fs/ext4/inode.c ext4_setattr(), ext4_punch_hole(); mm/truncate.c
 * @fidelity reduced: sizes in pages, so no page is ever cut; blocks that come back read as zero because they are written with zeroes
 * Next: mm/truncate.ts
 */
import type { MappingId } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import { EINVAL, ENOSYS } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import {
  filemap_invalidate_lock,
  filemap_invalidate_unlock,
  i_size_read,
  i_size_write,
  inode_lock,
  inode_unlock,
  shmem_mapping,
} from '../mm/address_space.ts';
import { truncate_pagecache, truncate_pagecache_range } from '../mm/truncate.ts';
import { count_vm_event, SYSCALLS, SYSCALLS_FAILED } from '../trace/counters.ts';
import { prepareToGrow, zeroFileBlocks } from './file_rw.ts';
import { shmem_fallocate } from './shmem_fallocate.ts';
import { shmem_setattr } from './shmem_setattr.ts';

/** @locks none in, none out. Takes i_rwsem and the invalidate lock; may sleep; the caller keeps the file open. Pages. @returns 0 or an errno */
export function sys_ftruncate(cpu: Cpu, file: MappingId, pages: number): number {
  count_vm_event(cpu, SYSCALLS);
  let result: number = EINVAL;
  if (file !== NO_MAPPING && pages >= 0) {
    inode_lock(cpu, file);
    result = setSize(cpu, file, pages);
    inode_unlock(cpu, file);
  }
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

/** @locks in: i_rwsem. @kernel ext4_setattr() */
function setSize(cpu: Cpu, file: MappingId, pages: number): number {
  if (shmem_mapping(cpu.memory, file)) {
    shmem_setattr(cpu, file, pages);
    return 0;
  }
  const before = i_size_read(cpu, file);
  if (pages > before) {
    const error = prepareToGrow(cpu, file, before, pages);
    if (error === 0) i_size_write(cpu, file, pages);
    return error;
  }
  filemap_invalidate_lock(cpu, file);
  i_size_write(cpu, file, pages);
  truncate_pagecache(cpu, file, pages);
  filemap_invalidate_unlock(cpu, file);
  return 0;
}

export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;

/**
 * Punches a hole: the pages [offset, offset + len) read as zero afterwards.
 * @param mode FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE; nothing else is modelled
 * @locks as sys_ftruncate(). @returns 0 or an errno
 */
export function sys_fallocate(cpu: Cpu, file: MappingId, mode: number, offset: number, len: number): number {
  count_vm_event(cpu, SYSCALLS);
  const result = vfs_fallocate(cpu, file, mode, offset, len);
  if (result < 0) count_vm_event(cpu, SYSCALLS_FAILED);
  return result;
}

/** sys_fallocate() for a caller in the kernel, which is in another system call. @locks as sys_ftruncate(). @returns 0 or an errno */
export function vfs_fallocate(cpu: Cpu, file: MappingId, mode: number, offset: number, len: number): number {
  if (mode !== (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) return ENOSYS;
  if (file === NO_MAPPING || offset < 0 || len <= 0) return EINVAL;
  inode_lock(cpu, file);
  const result = punchHole(cpu, file, offset, Math.min(offset + len, i_size_read(cpu, file)));
  inode_unlock(cpu, file);
  return result;
}

/** @locks in: i_rwsem. @kernel ext4_punch_hole() */
function punchHole(cpu: Cpu, file: MappingId, start: number, end: number): number {
  if (start >= end) return 0;
  if (shmem_mapping(cpu.memory, file)) {
    shmem_fallocate(cpu, file, start, end);
    return 0;
  }
  filemap_invalidate_lock(cpu, file);
  // Once to have the room, while nothing is lost yet; and once more when no write of an old page can be under way.
  const error = zeroFileBlocks(cpu, file, start, end - start);
  if (error === 0) {
    truncate_pagecache_range(cpu, file, start, end);
    zeroFileBlocks(cpu, file, start, end - start);
  }
  filemap_invalidate_unlock(cpu, file);
  return error;
}

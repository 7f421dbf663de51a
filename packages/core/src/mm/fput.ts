/**
 * References to files. Whoever made a file has one, every area that maps it has one, and so has a fault that dropped its lock and keeps the file.
 * The owner of a file gives it back when nobody else has one any more (waitForFilePins()). Shared anonymous memory has no owner once it is
 * mapped: whoever drops the last reference gives it back.
 *
 *   CPU that unmaps the last area             faulting CPU, which has dropped its lock and sleeps
 *                                             1 get_file: two references
 *   2 unlinks the area, fput: one is left
 *                                             3 wakes up, fput: none is left  <- decides: this one drops the pages and the record
 *
 * @kernel fs/file_table.c fput(), __fput(); mm/shmem.c shmem_evict_inode()
 * @fidelity reduced: the kernel puts the end of a file off until the task returns to user mode; here it happens at once, under mmap_lock if need be
 * Next: mm/vma_file.ts counts the areas
 */
import { invariant } from '../base/assert.ts';
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { f_countWord, freeFile, shmem_mapping } from './address_space.ts';
import { shmem_evict_inode } from './shmem.ts';

/**
 * Drops a reference. The last one ends the file, which only shared anonymous memory may come to: then the folios are locked one by one.
 * @locks in: none below mmap_lock. May sleep if the reference is the last one: reclaim may have locked a page of the file
 */
export function fput(cpu: Cpu, file: MappingId): void {
  const before = atomic_fetch_add(cpu, f_countWord(cpu.memory, file), -1); // Full: all use of the file. Pairs with: the last fput(), waitForFilePins().
  invariant(before > 0, 'Q07', 'fput: the file had no reference left');
  if (before === 1) __fput(cpu, file);
}

function __fput(cpu: Cpu, file: MappingId): void {
  invariant(shmem_mapping(cpu.memory, file), 'Q07', 'fput: the reference of the owner of the file was dropped');
  shmem_evict_inode(cpu, file);
  freeFile(cpu, file);
}

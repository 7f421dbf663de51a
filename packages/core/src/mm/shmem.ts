/**
 * shmem: files that live in memory - memfd, tmpfs, shared anonymous memory. A page that nobody has written is a hole and reads as zero; a page that
 * reclaim takes goes to swap, and its place in the page cache then holds the number of its swap entry.
 *
 *   place in the page cache:   nothing    a hole
 *                              a folio    in memory
 *                              a number   in swap (xa_is_value)
 *
 * @kernel mm/shmem.c shmem_undo_range(), shmem_truncate_range(), shmem_evict_inode()
 * @fidelity reduced: whole pages; no quota, no seals, no accounting of blocks
 * Next: io/shmem_get_folio.ts makes pages
 */
import type { MappingId, Pfn, SwpEntry } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { pagesLockWord, pagesRoot } from './address_space.ts';
import { filemap_get_entry, folioIsOf } from './filemap.ts';
import { folio_lock, folio_unlock } from './folio_lock.ts';
import { folio_put } from './page_alloc.ts';
import { non_swap_entry, xa_is_value, xa_to_value } from './swap_entry.ts';
import { free_swap_and_cache } from './swap_state.ts';
import { truncate_inode_folio } from './truncate.ts';
import { FILE_END } from './unmap_mapping.ts';
import { XA_NOT_FOUND, xa_destroy, xa_find, xa_load, xa_store } from './xarray.ts';

/**
 * Takes the pages [start, end) out of the file, in memory and in swap: what was there reads as zero afterwards. Entries that still map a page are
 * removed on the way. The caller keeps others from making new pages there.
 * @locks in: nothing from the folio lock on. Locks one folio at a time; may sleep @kernel shmem_truncate_range()
 */
export function shmem_truncate_range(cpu: Cpu, file: MappingId, start: number, end: number): void {
  const root = pagesRoot(cpu.memory, file);
  // From the start again, until a walk has found nothing: behind it somebody may have put a page into a hole.
  for (let busy = true; busy; ) {
    busy = false;
    for (let index = xa_find(cpu, root, start, end - 1); index !== XA_NOT_FOUND; index = xa_find(cpu, root, index + 1, end - 1)) {
      truncateIndex(cpu, file, index);
      busy = true;
    }
  }
}

/**
 * Empties one place. What it holds can change until the folio is locked, or the number is compared under the lock of the tree: then again.
 *
 *   truncating CPU                            reclaim
 *   1 finds folio F
 *                                             2 holds F's lock: puts F into swap, leaves number S
 *   3 has F's lock: F is not this page any more
 *   4 finds S, takes it out  <- decides: the page is gone for good, wherever it was
 */
function truncateIndex(cpu: Cpu, file: MappingId, index: number): void {
  for (;;) {
    const entry = filemap_get_entry(cpu, file, index);
    if (entry === 0) return;
    if (xa_is_value(entry)) {
      if (shmem_free_swap(cpu, file, index, entry)) return;
      continue;
    }
    const pfn = entry as Pfn;
    folio_lock(cpu, pfn);
    const ours = folioIsOf(cpu, pfn, file, index); // R14
    if (ours) truncate_inode_folio(cpu, pfn);
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
    if (ours) return;
  }
}

/** The last reference to the file is gone: drops all it has. Nobody can find the file any more. May sleep. @kernel shmem_evict_inode() */
export function shmem_evict_inode(cpu: Cpu, file: MappingId): void {
  shmem_truncate_range(cpu, file, 0, FILE_END);
  xa_destroy(cpu, pagesRoot(cpu.memory, file));
}

/** Takes a number out of the page cache, if it is still there, and gives its slot in swap back. @returns whether it was */
function shmem_free_swap(cpu: Cpu, file: MappingId, index: number, entry: number): boolean {
  const root = pagesRoot(cpu.memory, file);
  spin_lock(cpu, pagesLockWord(cpu.memory, file));
  const same = xa_load(cpu, root, index) === entry;
  if (same) xa_store(cpu, root, index, 0); // Cannot fail: the slot is there.
  spin_unlock(cpu, pagesLockWord(cpu.memory, file));
  const slot = xa_to_value(entry) as SwpEntry;
  if (same && !non_swap_entry(slot)) free_swap_and_cache(cpu, slot);
  return same;
}

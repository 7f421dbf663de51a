/**
 * address_space: the pages of one file, and the areas that map it.
 * @kernel include/linux/fs.h struct address_space, struct inode
 * @fidelity reduced: file, inode and read-ahead state in one record; a size in pages, a page tree, a list of areas
 * Next: mm/filemap.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { MappingId, VmaId, Word } from '../base/brand.ts';
import { NO_MAPPING, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_I_MMAP, LOCK_I_RWSEM, LOCK_INVALIDATE } from '../locking/lock_class.ts';
import { MUTEX_WORDS } from '../locking/mutex.ts';
import { down_read, down_read_trylock, down_write, RWSEM_WORDS, up_read, up_write } from '../locking/rwsem.ts';
import {
  atomic_cmpxchg,
  atomic_fetch_add,
  atomic_inc_not_zero_limited,
  atomic_read,
  atomic_set,
  READ_ONCE,
  WRITE_ONCE,
} from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import { WAIT_FILE_PINS } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { MAPPING_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { errseqRenewed } from './errseq.ts';

const I_MMAP_RWSEM = 0;
const INVALIDATE_LOCK = 8;
// Line 1: what faults read.
const I_SIZE = 16;
const PAGES = 17;
const PAGES_LOCK = 18;
const NRPAGES = 19;
const I_MMAP_HEAD = 20;
const I_MMAP_COUNT = 21;
const KIND = 22;
const DEVICE = 23;
const F_COUNT = 24;
const WB_ERR = 25;
const NRDIRTY = 26;
const PUNCH_START = 27;
const PUNCH_END = 28;
const PUNCH_COUNT = 29;
const DIRTIED_WHEN = 30;
// Line 2: read-ahead (struct file_ra_state), which faults share without a lock, as the kernel's do.
const RA_START = 32;
const RA_SIZE = 33;
const RA_ASYNC_SIZE = 34;
const RA_PAGES = 35;
const RA_MMAP_MISS = 36;
const RA_PREV_POS = 37;
// CPUs that wait for the end of a hole punch: first and last.
const PUNCH_WAITERS = 38;
/** Of a driver's buffer (FILE_DRIVER): its fence, mm/dma_fence.ts. */
const FENCE = 40;
export const FENCE_WORDS = 4;
// Line 3.
const I_RWSEM = 48;
const RESV_LOCK = 56;
assert(
  I_RWSEM + RWSEM_WORDS <= RESV_LOCK && RESV_LOCK + MUTEX_WORDS <= RECORD_WORDS.mapping && INVALIDATE_LOCK === RWSEM_WORDS,
  'address_space: the record has another size in memory/layout.ts',
);

const at = (id: MappingId, field: number): number => id * RECORD_WORDS.mapping + field;
const word = (m: SharedMemory, id: MappingId, field: number): Word => (m.mappingsAt + at(id, field)) as Word;

/** What kind of file it is, which decides its fault handler and its write path. */
export type FileKind = 0 | 1 | 2 | 3;
/** Every page is in memory as soon as somebody looks: no device, no waits. */
export const FILE_RESIDENT: FileKind = 0;
/** A file on a block device. */
export const FILE_DISK: FileKind = 1;
/** shmem, tmpfs, shared anonymous memory: holes read as zero, pages go to swap. */
export const FILE_SHMEM: FileKind = 2;
/** Buffers of a device driver, whose fault handler waits for the device and must not run under the VMA lock (no map_pages). */
export const FILE_DRIVER: FileKind = 3;

/** DEVICE holds the number of the device plus one. */
const NO_DEVICE = 0;

/** Size of the file in pages, on a machine at rest or under i_rwsem. */
export const i_size = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, I_SIZE)] as number;
const sizeWord = (m: SharedMemory, id: MappingId): Word => (m.mappingsAt + at(id, I_SIZE)) as Word;
/** The same while others may change it: a fault that decides by it holds something that makes it ask again. @kernel i_size_read() */
export const i_size_read = (cpu: Cpu, id: MappingId): number => READ_ONCE(cpu, sizeWord(cpu.memory, id)); // Alone: a hint, unless the folio or invalidate lock is held.
/** @locks in: i_rwsem; shrinking also the invalidate lock for writing */
export const i_size_write = (cpu: Cpu, id: MappingId, pages: number): void => WRITE_ONCE(cpu, sizeWord(cpu.memory, id), pages); // Pairs with: i_size_read(), and for who must not miss it with the locks above.
export const fileKind = (m: SharedMemory, id: MappingId): FileKind => m.mappings[at(id, KIND)] as FileKind;
/** Number of the block device that a FILE_DISK is on. */
export const fileDevice = (m: SharedMemory, id: MappingId): number => (m.mappings[at(id, DEVICE)] as number) - 1;
/** shmem_mapping(): pages are swap-backed, and a fault waits for them with its lock held. */
export const shmem_mapping = (m: SharedMemory, id: MappingId): boolean => fileKind(m, id) === FILE_SHMEM;
/** The file's fault handler may run under the VMA lock, and fault-around works on it. @kernel vm_ops->map_pages */
export const hasMapPages = (m: SharedMemory, id: MappingId): boolean => fileKind(m, id) !== FILE_DRIVER;
/** Can reclaim take pages of the file away? Those of a disk are read again, those of shmem go to swap. Ours */
export const mappingEvictable = (m: SharedMemory, id: MappingId): boolean =>
  fileKind(m, id) === FILE_DISK || fileKind(m, id) === FILE_SHMEM;
/** The file system wants to know before a page is written through a mapping, and write-back write-protects again. @kernel mapping_can_writeback(), vm_ops->page_mkwrite */
export const mapping_can_writeback = (m: SharedMemory, id: MappingId): boolean => fileKind(m, id) === FILE_DISK;

export const nrpagesWord = (m: SharedMemory, id: MappingId): Word => word(m, id, NRPAGES);
export const nrpages = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, NRPAGES)] as number;
/** Pages of the file that are dirty. Atomic; exact on an idle machine. */
export const nrdirtyWord = (m: SharedMemory, id: MappingId): Word => word(m, id, NRDIRTY);
/** When the file became dirty, in milliseconds of the CPU that dirtied it. Written with the first dirty page, a hint. @kernel inode->dirtied_when */
export const dirtiedWhenWord = (m: SharedMemory, id: MappingId): Word => word(m, id, DIRTIED_WHEN);
export const pagesRoot = (m: SharedMemory, id: MappingId): Word => word(m, id, PAGES);
/** The lock of the page tree. @kernel i_pages.xa_lock */
export const pagesLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, PAGES_LOCK);
/** Errors of write-back, for mm/errseq.ts. @kernel mapping->wb_err */
export const wbErrWord = (m: SharedMemory, id: MappingId): Word => word(m, id, WB_ERR);
/** The range that a hole punch of a shmem file works on, and how many are under way. @locks pages lock. @kernel struct shmem_falloc */
export const punchStartWord = (m: SharedMemory, id: MappingId): Word => word(m, id, PUNCH_START);
export const punchEndWord = (m: SharedMemory, id: MappingId): Word => word(m, id, PUNCH_END);
export const punchCountWord = (m: SharedMemory, id: MappingId): Word => word(m, id, PUNCH_COUNT);
/** Those who wait for the end of a hole punch, a list as in locking/wait_list.ts. @locks pages lock. @kernel shmem_falloc->waitq */
export const punchWaiters = (m: SharedMemory, id: MappingId): Word => word(m, id, PUNCH_WAITERS);
/** The fence and the reservation lock of a driver's buffer. Only mm/dma_fence.ts looks inside. */
export const fenceWords = (m: SharedMemory, id: MappingId): Word => word(m, id, FENCE);
export const resvLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RESV_LOCK);
/** Read-ahead: window, mark, size, misses. Marked reads and writes without a lock. @kernel struct file_ra_state */
export const raStartWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_START);
export const raSizeWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_SIZE);
export const raAsyncSizeWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_ASYNC_SIZE);
export const raPagesWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_PAGES);
export const raMmapMissWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_MMAP_MISS);
export const raPrevPosWord = (m: SharedMemory, id: MappingId): Word => word(m, id, RA_PREV_POS);

/** Areas that map the file, as counted. Exact on an idle machine. */
export const i_mmap_count = (m: SharedMemory, id: MappingId): number => m.mappings[at(id, I_MMAP_COUNT)] as number;
export const i_mmapLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, I_MMAP_RWSEM);
export const invalidateLockWord = (m: SharedMemory, id: MappingId): Word => word(m, id, INVALIDATE_LOCK);
export const i_rwsemWord = (m: SharedMemory, id: MappingId): Word => word(m, id, I_RWSEM);
/** Areas that map the file. Atomic; only mm/vma_file.ts changes it. */
export const i_mmapCountWord = (m: SharedMemory, id: MappingId): Word => word(m, id, I_MMAP_COUNT);
/** First area that maps the file. @locks in: i_mmap, either way */
export const i_mmap_first = (m: SharedMemory, id: MappingId): VmaId => m.mappings[at(id, I_MMAP_HEAD)] as VmaId;
/** @locks in: i_mmap for writing. Only mm/vma_file.ts changes the list. */
export const set_i_mmap_first = (m: SharedMemory, id: MappingId, vma: VmaId): void => {
  m.mappings[at(id, I_MMAP_HEAD)] = vma;
};
export const mapping_mapped = (m: SharedMemory, id: MappingId): boolean => i_mmap_first(m, id) !== NO_VMA;

export interface FileSpec {
  readonly pages: number;
  readonly kind?: FileKind;
  /** Number of the block device, for FILE_DISK. */
  readonly device?: number;
  /** Largest read-ahead window in pages. */
  readonly raPages?: number;
}

/** Largest read-ahead window when nobody says: 128 KiB. @kernel VM_READAHEAD_PAGES */
export const VM_READAHEAD_PAGES = 32;

/** A new file of that many pages: resident when only a number is given. @returns NO_MAPPING when no slot is free */
export function createFile(cpu: Cpu, wanted: number | FileSpec): MappingId {
  const m = cpu.memory;
  const {
    pages,
    kind = FILE_RESIDENT,
    device,
    raPages = VM_READAHEAD_PAGES,
  } = typeof wanted === 'number' ? ({ pages: wanted } as FileSpec) : wanted;
  assert(kind !== FILE_DISK || device !== undefined, 'createFile: a file on a device needs the number of the device');
  const id = kmem_cache_alloc(cpu, MAPPING_CACHE) as MappingId;
  if (id === NO_MAPPING) return NO_MAPPING;
  const wbErr = errseqRenewed(m.mappings[at(id, WB_ERR)] as number);
  m.mappings.fill(0, at(id, 0), at((id + 1) as MappingId, 0));
  m.mappings[at(id, WB_ERR)] = wbErr;
  m.mappings[at(id, I_SIZE)] = pages;
  m.mappings[at(id, KIND)] = kind;
  m.mappings[at(id, DEVICE)] = device === undefined ? NO_DEVICE : device + 1;
  m.mappings[at(id, RA_PAGES)] = raPages;
  atomic_set(cpu, word(m, id, F_COUNT), 1); // Release: the record. Pairs with: tryGetFile().
  return id;
}

/** How many have the file: its owner, areas that map it, faults that keep it. Only mm/fput.ts drops references. */
export const f_countWord = (m: SharedMemory, id: MappingId): Word => word(m, id, F_COUNT);

/** One more reference to an open file; the caller has one, or an area that maps it and cannot go away. @kernel get_file() */
export function get_file(cpu: Cpu, id: MappingId): void {
  const before = atomic_fetch_add(cpu, word(cpu.memory, id, F_COUNT), 1); // Alone: the caller's own keeps it above zero.
  invariant(before > 0, 'Q07', 'get_file: the file is closed');
}

/** A reference to a file that may be on its way out. @returns whether there is one */
export function tryGetFile(cpu: Cpu, id: MappingId): boolean {
  return atomic_inc_not_zero_limited(cpu, word(cpu.memory, id, F_COUNT), FILE_PINS_MAX) !== 0; // Acquire. Pairs with: freezeFile().
}
const FILE_PINS_MAX = 0x7fffffff;

/** References besides the owner's: areas that map the file, and faults that dropped their lock and keep it. Exact on an idle machine. */
export const filePins = (cpu: Cpu, id: MappingId): number => Math.max(0, atomic_read(cpu, word(cpu.memory, id, F_COUNT)) - 1); // Pairs with: fput().

/** Takes away the owner's reference, which must be the last one: nobody can pin the file any more. @returns false when somebody does */
export function freezeFile(cpu: Cpu, id: MappingId): boolean {
  return atomic_cmpxchg(cpu, word(cpu.memory, id, F_COUNT), 1, 0) === 1; // Full. Pairs with: tryGetFile().
}

/** How long to sleep between two looks at the pins: faults hold them over an I/O, and nobody is told when they let go. */
const PINS_POLL_MS = 1;

/** Waits until no fault keeps the file any more. No area maps it, so no new one comes. May sleep. */
export function waitForFilePins(cpu: Cpu, id: MappingId): void {
  if (filePins(cpu, id) === 0) return;
  while (filePins(cpu, id) > 0) {
    set_current_state(cpu, TASK_UNINTERRUPTIBLE);
    schedule_timeout(cpu, WAIT_FILE_PINS, word(cpu.memory, id, F_COUNT), PINS_POLL_MS);
  }
}

/** Gives the record back. The pages have been dropped before. */
export function freeFile(cpu: Cpu, id: MappingId): void {
  assert(!mapping_mapped(cpu.memory, id) && nrpages(cpu.memory, id) === 0, 'freeFile: the file is still mapped or has pages');
  assert(filePins(cpu, id) === 0, 'freeFile: a fault still keeps the file');
  kmem_cache_free(cpu, MAPPING_CACHE, id);
}

/** @locks out: i_mmap write. May sleep. */
export const i_mmap_lock_write = (cpu: Cpu, id: MappingId): void => down_write(cpu, word(cpu.memory, id, I_MMAP_RWSEM), LOCK_I_MMAP);
export const i_mmap_unlock_write = (cpu: Cpu, id: MappingId): void => up_write(cpu, word(cpu.memory, id, I_MMAP_RWSEM));

/** For walks from a folio to the areas that map it. May sleep. */
export const i_mmap_lock_read = (cpu: Cpu, id: MappingId): void => down_read(cpu, word(cpu.memory, id, I_MMAP_RWSEM), LOCK_I_MMAP);
export const i_mmap_unlock_read = (cpu: Cpu, id: MappingId): void => up_read(cpu, word(cpu.memory, id, I_MMAP_RWSEM));

/** Page-cache pages are created under it shared and truncated under it exclusively. May sleep. @kernel filemap_invalidate_lock() */
export const filemap_invalidate_lock = (cpu: Cpu, id: MappingId): void =>
  down_write(cpu, invalidateLockWord(cpu.memory, id), LOCK_INVALIDATE);
export const filemap_invalidate_unlock = (cpu: Cpu, id: MappingId): void => up_write(cpu, invalidateLockWord(cpu.memory, id));
export const filemap_invalidate_lock_shared = (cpu: Cpu, id: MappingId): void =>
  down_read(cpu, invalidateLockWord(cpu.memory, id), LOCK_INVALIDATE);
export const filemap_invalidate_trylock_shared = (cpu: Cpu, id: MappingId): boolean =>
  down_read_trylock(cpu, invalidateLockWord(cpu.memory, id), LOCK_INVALIDATE);
export const filemap_invalidate_unlock_shared = (cpu: Cpu, id: MappingId): void => up_read(cpu, invalidateLockWord(cpu.memory, id));

/** Writers of the file and truncation, against each other. Outside mmap_lock. May sleep. */
export const inode_lock = (cpu: Cpu, id: MappingId): void => down_write(cpu, i_rwsemWord(cpu.memory, id), LOCK_I_RWSEM);
export const inode_unlock = (cpu: Cpu, id: MappingId): void => up_write(cpu, i_rwsemWord(cpu.memory, id));

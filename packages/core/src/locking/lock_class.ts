/**
 * The kinds of lock, by name, with their place in the lock order: a task that holds a lock takes only locks of a higher rank.
 * The order is data, so that a checker, a report and docs/LOCKING.md say the same thing.
 * @kernel mm/rmap.c (the comment on lock ordering), include/linux/lockdep_types.h (lock_class_key)
 * @fidelity reduced: the classes that this model has; page-table locks and the allocator's locks are spinlocks and are not in held_locks
 * Next: locking/held_locks.ts
 */
import { assert } from '../base/assert.ts';

/** Number of a lock class: its position in LOCK_CLASSES. */
export type LockClass = number;

export interface LockClassSpec {
  /** As in /proc/lock_stat and in reports. */
  readonly name: string;
  /** Place in the order, outermost first. Locks of one rank do not nest, unless `nests` says so. */
  readonly rank: number;
  /** May a task sleep while it waits for the lock? A lock that spins is never held by a task that sleeps. */
  readonly sleeps: boolean;
  /** Several locks of the class may be held at once (the order among them is the owner's business). */
  readonly nests: boolean;
  readonly meaning: string;
}

const spec = (name: string, rank: number, meaning: string, nests = false): LockClassSpec => ({ name, rank, sleeps: true, nests, meaning });
const spin = (name: string, rank: number, meaning: string): LockClassSpec => ({ name, rank, sleeps: false, nests: false, meaning });

export const LOCK_CLASSES: readonly LockClassSpec[] = [
  spec('user', 0, 'a lock of the program that uses this library', true),
  spec('i_rwsem', 5, 'one file: those who write it or change its size, against each other'),
  spec('mmap_lock', 10, 'one address space: its areas and their tree', true),
  spec('vma', 11, 'one area: the read side pins it for a fault', true),
  spec('map_changing_lock', 15, 'one userfaultfd: answers of its handler against the beginning of a change of the address space'),
  spec('invalidate_lock', 20, 'one file: page cache against truncation'),
  spec('folio', 30, 'contents and identity of one folio', true),
  spec('vma_write', 40, 'one area, held by a writer until the end of its mmap_lock section', true),
  spec('i_mmap', 50, 'one file: the areas that map it'),
  spec('anon_vma', 60, 'one family of anonymous areas', true),
  spec('mutex', 70, 'a mutex without a place of its own'),
  spec('oom_lock', 75, 'the choice of a process that is killed for its memory'),
  spin('ptl', 80, 'the entries of one page table'),
  spin('swap', 90, 'swap slots'),
  spin('xa_lock', 91, 'the tree of one page cache'),
  spin('lru', 92, 'the lists that reclaim walks'),
  spin('page_alloc', 95, 'free frames'),
  spin('kmem_cache', 96, 'free slots of one record type'),
  spin('wait_lock', 99, 'the queue inside another lock'),
];

/** Room for classes in the per-CPU statistics. */
export const LOCK_CLASSES_MAX = 32;
assert(LOCK_CLASSES.length <= LOCK_CLASSES_MAX, 'lock_class: more classes than the statistics have room for');

const find = (name: string): LockClass => LOCK_CLASSES.findIndex((entry) => entry.name === name);

export const LOCK_USER: LockClass = find('user');
export const LOCK_I_RWSEM: LockClass = find('i_rwsem');
export const LOCK_MMAP: LockClass = find('mmap_lock');
export const LOCK_VMA: LockClass = find('vma');
export const LOCK_MAP_CHANGING: LockClass = find('map_changing_lock');
export const LOCK_INVALIDATE: LockClass = find('invalidate_lock');
export const LOCK_FOLIO: LockClass = find('folio');
export const LOCK_VMA_WRITE: LockClass = find('vma_write');
export const LOCK_I_MMAP: LockClass = find('i_mmap');
export const LOCK_ANON_VMA: LockClass = find('anon_vma');
export const LOCK_MUTEX: LockClass = find('mutex');
export const LOCK_OOM: LockClass = find('oom_lock');
export const LOCK_PTL: LockClass = find('ptl');
export const LOCK_PAGE_ALLOC: LockClass = find('page_alloc');
export const LOCK_KMEM_CACHE: LockClass = find('kmem_cache');

/** Name of a class, for reports. */
export function lockClassName(lockClass: LockClass): string {
  return LOCK_CLASSES[lockClass]?.name ?? 'unknown';
}

/** May a task that holds a lock of class `held` take one of class `wanted`? @kernel check_prev_add() */
export function mayNest(held: LockClass, wanted: LockClass): boolean {
  const outer = LOCK_CLASSES[held];
  const inner = LOCK_CLASSES[wanted];
  if (outer === undefined || inner === undefined) return false;
  if (held === wanted) return outer.nests;
  return outer.rank < inner.rank || outer.rank === 0;
}

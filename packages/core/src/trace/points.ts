/**
 * Named points of the protocol at which a test may hold a CPU, or an injected delay may fall: the places where a real race has its window.
 * With no observer a point costs one test. The number of a point is its position here.
 * Next: cpu.ts (`points`)
 */
export const POINT_NAMES = [
  'after_tree_walk',
  'after_pin',
  'after_vma_lock',
  'between_put_and_wake',
  'mmap_write_locked',
  'before_vma_start_write',
  'between_exclude_and_stamp',
  'before_ptl',
  'between_drop_and_retry',
  'before_mmap_retry',
  'between_downgrade_and_zap',
  'before_tree_store',
  'after_tree_store',
  'before_zap',
  'before_tlb_flush',
  'in_fork_copy',
  'before_anon_vma_trylock',
  'before_wp_install',
  'between_unlock_and_relock',
  'after_lock_drop_for_io',
  'before_folio_lock',
  'after_folio_lock',
  'after_io_wait',
  'before_page_cache_insert',
  'before_unmap_mapping',
  'between_unmap_and_truncate',
  'before_second_unmap',
  'before_swap_lookup',
  'after_swap_lookup',
  'after_swap_claim',
  'before_swap_install',
  'before_page_mkwrite',
  'before_dirty_balance',
  'before_write_protect',
  'before_refcount_freeze',
  'between_freeze_and_dirty_test',
  'userfault_queued',
  'userfault_before_schedule',
  'before_reacquire',
  'before_fence_wait',
  'before_migration_entry',
  'after_migration_unmap',
  'before_migrate_to_ram',
  'between_gup_attempts',
  'between_unlock_and_wake',
  'in_bad_area',
  'before_gmap_link',
  'between_mark_and_kill',
  'between_unstable_and_reap',
  'in_lru_gen_walk',
] as const;

export type PointName = (typeof POINT_NAMES)[number];

const point = (name: PointName): number => POINT_NAMES.indexOf(name);

export const AFTER_TREE_WALK: number = point('after_tree_walk');
export const AFTER_PIN: number = point('after_pin');
export const AFTER_VMA_LOCK: number = point('after_vma_lock');
export const BETWEEN_PUT_AND_WAKE: number = point('between_put_and_wake');
export const MMAP_WRITE_LOCKED: number = point('mmap_write_locked');
export const BEFORE_VMA_START_WRITE: number = point('before_vma_start_write');
export const BETWEEN_EXCLUDE_AND_STAMP: number = point('between_exclude_and_stamp');
export const BEFORE_PTL: number = point('before_ptl');
export const BETWEEN_DROP_AND_RETRY: number = point('between_drop_and_retry');
export const BEFORE_MMAP_RETRY: number = point('before_mmap_retry');
export const BETWEEN_DOWNGRADE_AND_ZAP: number = point('between_downgrade_and_zap');
export const BEFORE_TREE_STORE: number = point('before_tree_store');
export const AFTER_TREE_STORE: number = point('after_tree_store');
export const BEFORE_ZAP: number = point('before_zap');
export const BEFORE_TLB_FLUSH: number = point('before_tlb_flush');
export const IN_FORK_COPY: number = point('in_fork_copy');
export const BEFORE_ANON_VMA_TRYLOCK: number = point('before_anon_vma_trylock');
export const BEFORE_WP_INSTALL: number = point('before_wp_install');
export const BETWEEN_UNLOCK_AND_RELOCK: number = point('between_unlock_and_relock');
export const AFTER_LOCK_DROP_FOR_IO: number = point('after_lock_drop_for_io');
export const BEFORE_FOLIO_LOCK: number = point('before_folio_lock');
export const AFTER_FOLIO_LOCK: number = point('after_folio_lock');
export const AFTER_IO_WAIT: number = point('after_io_wait');
export const BEFORE_PAGE_CACHE_INSERT: number = point('before_page_cache_insert');
export const BEFORE_UNMAP_MAPPING: number = point('before_unmap_mapping');
export const BETWEEN_UNMAP_AND_TRUNCATE: number = point('between_unmap_and_truncate');
export const BEFORE_SECOND_UNMAP: number = point('before_second_unmap');
export const BEFORE_SWAP_LOOKUP: number = point('before_swap_lookup');
export const AFTER_SWAP_LOOKUP: number = point('after_swap_lookup');
export const AFTER_SWAP_CLAIM: number = point('after_swap_claim');
export const BEFORE_SWAP_INSTALL: number = point('before_swap_install');
export const BEFORE_PAGE_MKWRITE: number = point('before_page_mkwrite');
export const BEFORE_DIRTY_BALANCE: number = point('before_dirty_balance');
export const BEFORE_WRITE_PROTECT: number = point('before_write_protect');
export const BEFORE_REFCOUNT_FREEZE: number = point('before_refcount_freeze');
export const BETWEEN_FREEZE_AND_DIRTY_TEST: number = point('between_freeze_and_dirty_test');
export const USERFAULT_QUEUED: number = point('userfault_queued');
export const USERFAULT_BEFORE_SCHEDULE: number = point('userfault_before_schedule');
export const BEFORE_REACQUIRE: number = point('before_reacquire');
export const BEFORE_FENCE_WAIT: number = point('before_fence_wait');
export const BEFORE_MIGRATION_ENTRY: number = point('before_migration_entry');
export const AFTER_MIGRATION_UNMAP: number = point('after_migration_unmap');
export const BEFORE_MIGRATE_TO_RAM: number = point('before_migrate_to_ram');
export const BETWEEN_GUP_ATTEMPTS: number = point('between_gup_attempts');
export const BETWEEN_UNLOCK_AND_WAKE: number = point('between_unlock_and_wake');
export const IN_BAD_AREA: number = point('in_bad_area');
export const BEFORE_GMAP_LINK: number = point('before_gmap_link');
export const BETWEEN_MARK_AND_KILL: number = point('between_mark_and_kill');
export const BETWEEN_UNSTABLE_AND_REAP: number = point('between_unstable_and_reap');
export const IN_LRU_GEN_WALK: number = point('in_lru_gen_walk');

/** Somebody who wants to know, or to hold the CPU: a test's steering, an injection, the lock-step engine. */
export interface PointObserver {
  /** Called by the CPU at the point, possibly with locks held; may spin or sleep. */
  at(point: number): void;
}

export interface Pointed {
  readonly points: PointObserver | null;
}

/** Passes a named point. */
export function at(cpu: Pointed, point: number): void {
  if (cpu.points !== null) cpu.points.at(point);
}

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

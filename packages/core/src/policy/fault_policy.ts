/**
 * A policy is data: the decisions that the fault path consults. A new proposal is a new record, not a copy of the fault path.
 * Next: policy/policies.ts has the named ones; fault/do_user_addr_fault.ts asks them.
 */

/** How PGFAULT is counted: at the entry of every attempt (until 6.3) or once per finished fault (since 6.4). */
export type FaultAccounting = 'every-attempt' | 'finished';

/** Which per-VMA lock design: none, a rwsem with a sequence number (6.4-6.14), or a reference count (6.15 on). */
export type VmaLockDesign = 'none' | 'rwsem' | 'refcount';

export interface FaultPolicy {
  readonly name: string;
  /** One sentence for lists. */
  readonly summary: string;
  readonly vmaLock: VmaLockDesign;
  /** 6.4 took the VMA lock for anonymous areas only; every kind of area since 6.7. */
  readonly vmaLockFor: 'anonymous' | 'all';
  /** 6.4 refused an area without anon_vma before locking it; since 6.10 the fault prepares it under a trylock of mmap_lock. */
  readonly anonVmaUnderVmaLock: boolean;
  /** May a later attempt keep ALLOW_RETRY (since 5.7), or is the second attempt the last (before)? */
  readonly retries: 'one' | 'many';
  readonly accounting: FaultAccounting;
  /** TRIED is set after a VMA-lock attempt that returned RETRY with MAJOR (since 6.8). */
  readonly triedAfterMajor: boolean;
}

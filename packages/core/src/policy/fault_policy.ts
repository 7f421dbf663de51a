/**
 * A policy is data: the decisions that the fault path consults. A new proposal is a new record, not a copy of the fault path.
 * Next: policy/policies.ts has the named ones; fault/do_user_addr_fault.ts and fault/fault_lock.ts ask them.
 */

import type { Release } from './releases.ts';

/** How PGFAULT is counted: at the entry of every attempt (until 6.3) or once per finished fault (since 6.4). */
export type FaultAccounting = 'every-attempt' | 'finished';

/** Which per-VMA lock design: none, a rwsem with a sequence number (6.4-6.14), or a reference count (6.15 on). */
export type VmaLockDesign = 'none' | 'rwsem' | 'refcount';

/**
 * What a first attempt does when it has to wait for a page: for I/O, or for somebody else's lock on it.
 *
 *   retry       drop the fault lock, wait, RETRY: the next attempt runs under mmap_lock
 *   retry-vma   drop the fault lock, wait, RETRY with RETRY_VMA: the next attempt runs under the VMA lock, if this one did
 *   hold        wait with the fault lock held
 *   reacquire   drop the VMA lock, wait with the page locked, take the VMA lock again, check everything, go on in place
 */
export type OnWait = 'retry' | 'retry-vma' | 'hold' | 'reacquire';

/** Which pages a first attempt does not drop its lock for, because they only wait for a short lock: none, those that are up to date, or those that are also not being written. */
export type UptodateRule = 'none' | 'uptodate' | 'uptodate-not-writeback';

export interface FaultPolicy {
  readonly name: string;
  /** One sentence for lists. */
  readonly summary: string;
  /** The kernel that the policy is, or is a change of: the entries of the architectures are as they were then. */
  readonly release: Release;
  readonly vmaLock: VmaLockDesign;
  /** Faults on swapped-out pages may be served under the VMA lock (since 6.6). */
  readonly vmaLockSwap: boolean;
  /** Areas registered with userfaultfd may be faulted under the VMA lock (since 6.6). */
  readonly vmaLockUserfault: boolean;
  /** Areas of files: not at all (6.4), only what fault-around can map (6.6), or everything (since 6.7). */
  readonly vmaLockFile: 'no' | 'map-pages' | 'yes';
  /** 6.4 refused an area without anon_vma before locking it; since 6.10 the fault prepares it under a trylock of mmap_lock. */
  readonly anonVmaUnderVmaLock: boolean;
  /** May a later attempt keep ALLOW_RETRY (since 5.7), or is the second attempt the last (before)? */
  readonly retries: 'one' | 'many';
  /** A fault that dropped its lock for dirty throttling is finished: COMPLETED (since 6.0); before, it was tried again. */
  readonly completed: boolean;
  readonly accounting: FaultAccounting;
  /** TRIED is set after a VMA-lock attempt that returned RETRY with MAJOR (since 6.8). */
  readonly triedAfterMajor: boolean;
  /** A page of a file. */
  readonly fileWait: OnWait;
  /** A page of anonymous memory that is in swap or on its way from there. */
  readonly anonWait: OnWait;
  readonly uptodateRule: UptodateRule;
  /**
   * The lock of a retry about which nothing else is said, where either would do (a direct read, a hole being punched, a killed wait, ...): mmap_lock in
   * every kernel, the VMA lock in the proposal that splits RETRY into two flags. Retries that need mmap_lock have it under every policy.
   */
  readonly otherRetries: 'mmap' | 'vma';
}

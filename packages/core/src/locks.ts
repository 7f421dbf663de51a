/**
 * Locks between threads for any JavaScript program: a reader/writer lock and a mutex over shared memory, with try, timeout, abort,
 * downgrade and guards for `using`. No knowledge of the kernel is needed here.
 * Next: locks/lock_space.ts
 */
export { UsageError } from './base/errors.ts';
export { LockAbortedError, LockTimeoutError } from './locks/errors.ts';
export type { LockGuard, WriteGuard } from './locks/lock_guard.ts';
export { LockSpace, type LockSpaceOptions } from './locks/lock_space.ts';
export type { LockSpaceHandle } from './locks/lock_space_layout.ts';
export type { LockThread, ThreadOptions } from './locks/lock_thread.ts';
export type { WaitOptions } from './locks/shared_lock.ts';
export type { SharedMutex } from './locks/shared_mutex.ts';
export type { SharedRwLock } from './locks/shared_rw_lock.ts';

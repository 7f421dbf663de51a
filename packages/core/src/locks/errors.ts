/**
 * How a wait for a lock ends without the lock. Neither is a mistake of the caller (that is a UsageError), and the lock is as it was.
 * Next: lock_space.ts
 */

/** The lock was not free within `timeoutMs`. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';
  readonly timeoutMs: number;
  constructor(lock: string, timeoutMs: number) {
    super(`${lock} was not free within ${timeoutMs} ms.`);
    this.timeoutMs = timeoutMs;
  }
}

/** Another thread called abort() for the waiting thread. */
export class LockAbortedError extends Error {
  override readonly name = 'LockAbortedError';
  constructor(lock: string) {
    super(`The wait for ${lock} was aborted.`);
  }
}

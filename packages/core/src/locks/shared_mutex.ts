/**
 * A lock between threads with one holder at a time.
 * Next: locking/mutex.ts is what is inside
 */
import { LOCK_USER } from '../locking/lock_class.ts';
import { mutex_trylock, mutex_unlock, mutexLockUntil } from '../locking/mutex.ts';
import { LockGuard, type Unlocker } from './lock_guard.ts';
import { SharedLock, type WaitOptions } from './shared_lock.ts';

export class SharedMutex extends SharedLock {
  readonly #unlocker: Unlocker = {
    name: this.name,
    release: () => mutex_unlock(this.use(), this.word),
  };

  /** Waits until nobody holds the lock. */
  lock(options?: WaitOptions): LockGuard {
    this.acquire(options, (cpu, word, deadlineMs) => mutexLockUntil(cpu, word, LOCK_USER, deadlineMs));
    return new LockGuard(this.#unlocker, 'write');
  }

  /** Does not wait. undefined when somebody holds the lock. */
  tryLock(): LockGuard | undefined {
    return mutex_trylock(this.unheld(), this.word, LOCK_USER) ? new LockGuard(this.#unlocker, 'write') : undefined;
  }
}

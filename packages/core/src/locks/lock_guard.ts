/**
 * A lock that is held, as an object: `using guard = lock.write()` releases it at the end of the block, whatever happens there.
 * Next: shared_rw_lock.ts
 */
import { UsageError } from '../base/errors.ts';

/** What a guard does to its lock. */
export interface Unlocker {
  /** Of the lock, for messages. */
  readonly name: string;
  release(mode: 'read' | 'write'): void;
  /** For locks that readers can hold. */
  downgrade?(): void;
}

export class LockGuard implements Disposable {
  readonly #lock: Unlocker;
  #mode: 'read' | 'write' | 'released';

  constructor(lock: Unlocker, mode: 'read' | 'write') {
    this.#lock = lock;
    this.#mode = mode;
  }

  /** How the lock is held through this guard. */
  get mode(): 'read' | 'write' | 'released' {
    return this.#mode;
  }

  /** Releases the lock before the end of the block. @throws UsageError when it has been released already */
  release(): void {
    const mode = this.#mode;
    if (mode === 'released') throw new UsageError(`${this.#lock.name} was released twice through one guard; release it once.`);
    this.#lock.release(mode);
    this.#mode = 'released';
  }

  /** Does nothing when release() was called before. */
  [Symbol.dispose](): void {
    if (this.#mode !== 'released') this.release();
  }

  protected downgradeInPlace(): void {
    if (this.#mode !== 'write') {
      throw new UsageError(
        `${this.#lock.name} is not held for writing through this guard (it is ${this.#mode}), so it cannot be downgraded.`,
      );
    }
    this.#lock.downgrade?.();
    this.#mode = 'read';
  }
}

/** A lock held for writing. */
export class WriteGuard extends LockGuard {
  /** From now on the lock is held for reading: other readers come in, what was written is theirs to see, and no writer came between. */
  downgrade(): void {
    this.downgradeInPlace();
  }
}

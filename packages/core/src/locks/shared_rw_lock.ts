/**
 * A reader/writer lock between threads: any number of readers, or one writer. Fair: a writer that waits holds new readers back, and
 * nobody is overtaken for long.
 * Next: locking/rwsem.ts is what is inside
 */
import { LOCK_USER } from '../locking/lock_class.ts';
import {
  down_read_trylock,
  down_write_trylock,
  downgrade_write,
  downReadUntil,
  downWriteUntil,
  up_read,
  up_write,
} from '../locking/rwsem.ts';
import { LockGuard, type Unlocker, WriteGuard } from './lock_guard.ts';
import { SharedLock, type WaitOptions } from './shared_lock.ts';

export class SharedRwLock extends SharedLock {
  readonly #unlocker: Unlocker = {
    name: this.name,
    release: (mode) => {
      if (mode === 'read') up_read(this.use(), this.word);
      else up_write(this.use(), this.word);
    },
    downgrade: () => downgrade_write(this.use(), this.word),
  };

  /** Waits until no writer holds the lock. */
  read(options?: WaitOptions): LockGuard {
    this.acquire(options, (cpu, word, deadlineMs) => downReadUntil(cpu, word, LOCK_USER, deadlineMs));
    return new LockGuard(this.#unlocker, 'read');
  }

  /** Waits until nobody holds the lock. */
  write(options?: WaitOptions): WriteGuard {
    this.acquire(options, (cpu, word, deadlineMs) => downWriteUntil(cpu, word, LOCK_USER, deadlineMs));
    return new WriteGuard(this.#unlocker, 'write');
  }

  /** Does not wait. undefined when a writer holds the lock, or waits for it. */
  tryRead(): LockGuard | undefined {
    return down_read_trylock(this.unheld(), this.word) ? new LockGuard(this.#unlocker, 'read') : undefined;
  }

  /** Does not wait. undefined when anybody holds the lock, or waits for it. */
  tryWrite(): WriteGuard | undefined {
    return down_write_trylock(this.unheld(), this.word) ? new WriteGuard(this.#unlocker, 'write') : undefined;
  }
}

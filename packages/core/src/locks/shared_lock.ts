/**
 * What the two kinds of lock have in common: the state of the thread, the options of a wait, and how a wait that failed is reported.
 * Next: shared_rw_lock.ts
 */
import type { Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import { UsageError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, MODE_NONE } from '../locking/held_locks.ts';
import { takeSignals } from '../sched/task.ts';
import { LockAbortedError, LockTimeoutError } from './errors.ts';

export interface WaitOptions {
  /** Give up after so many milliseconds, with a LockTimeoutError. Without it the wait ends with the lock, or by an abort. */
  readonly timeoutMs?: number;
}

const FOR_EVER: number = Number.POSITIVE_INFINITY;

export abstract class SharedLock {
  readonly name: string;
  protected readonly word: Word;
  /** The CPU of this thread, if it is open still. */
  protected readonly use: () => Cpu;

  constructor(use: () => Cpu, word: Word, name: string) {
    this.use = use;
    this.word = word;
    this.name = name;
  }

  /** Waits as the options say. @throws LockTimeoutError, LockAbortedError; UsageError when this thread holds the lock already */
  protected acquire(options: WaitOptions | undefined, take: (cpu: Cpu, word: Word, deadlineMs: number) => number): void {
    const cpu = this.unheld();
    const timeoutMs = options?.timeoutMs ?? FOR_EVER;
    if (Number.isNaN(timeoutMs) || timeoutMs < 0) {
      throw new UsageError(`timeoutMs is ${timeoutMs}, but it must be 0 or more milliseconds; leave it out to wait without a limit.`);
    }
    const result = take(cpu, this.word, timeoutMs === FOR_EVER ? FOR_EVER : cpu.now() + timeoutMs);
    if (result === 0) return;
    if (result !== EINTR) throw new LockTimeoutError(this.name, timeoutMs);
    takeSignals(cpu);
    throw new LockAbortedError(this.name);
  }

  /** The CPU, which does not hold this lock: a second lock by one thread could only wait for itself. */
  protected unheld(): Cpu {
    const cpu = this.use();
    if (heldMode(cpu, this.word) !== MODE_NONE) {
      throw new UsageError(`${this.name} is held by this thread already; release it before taking it again.`);
    }
    return cpu;
  }
}

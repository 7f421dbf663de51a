/**
 * One thread's access to the locks of a space. Everything it hands out works on this thread only.
 * Next: shared_rw_lock.ts, shared_mutex.ts
 */
import type { CpuId, Word } from '../base/brand.ts';
import { UsageError } from '../base/errors.ts';
import { Cpu } from '../cpu.ts';
import { heldCount } from '../locking/held_locks.ts';
import { atomic_cmpxchg, atomic_set } from '../memory/atomic.ts';
import { PC_RUN_STATE, RUN_OFFLINE, RUN_RUNNING } from '../memory/percpu.ts';
import { attachMemory } from '../memory/shared_memory.ts';
import type { StepGate } from '../memory/step_gate.ts';
import { SIGKILL, send_signal, takeSignals } from '../sched/task.ts';
import { KIND_MUTEX, KIND_RW, KIND_WORD, type LockSpaceHandle, lockWord } from './lock_space_layout.ts';
import { SharedMutex } from './shared_mutex.ts';
import { SharedRwLock } from './shared_rw_lock.ts';

export interface ThreadOptions {
  /** Milliseconds, never going back: `() => performance.now()`. The library has no clock of its own. */
  readonly now: () => number;
  /** Watch a running holder for a moment before sleeping. Default true; false on a machine with one core. */
  readonly spin?: boolean;
  /** For lock-step: who decides when this thread moves, given the words of the locks. A thread has none. */
  readonly gate?: (words: Int32Array) => StepGate | null;
}

export class LockThread implements Disposable {
  /** Which thread of the space this is. */
  readonly threadIndex: number;
  readonly #handle: LockSpaceHandle;
  readonly #cpu: Cpu;
  #open = true;

  /** Use LockSpace.attach(). */
  constructor(handle: LockSpaceHandle, threadIndex: number, options: ThreadOptions) {
    checkThreadIndex(handle, threadIndex);
    const memory = attachMemory(handle.memory);
    this.#handle = handle;
    this.threadIndex = threadIndex;
    const { now, spin = true, gate } = options;
    this.#cpu = new Cpu({ id: threadIndex as CpuId, memory, now, spin, gate: gate?.(memory.words) ?? null });
    const before = atomic_cmpxchg(this.#cpu, this.#runState(), RUN_OFFLINE, RUN_RUNNING); // Alone: claims the index.
    if (before !== RUN_OFFLINE) {
      throw new UsageError(`Thread index ${threadIndex} is in use by another thread; give every thread an index of its own.`);
    }
    takeSignals(this.#cpu);
  }

  /** A reader/writer lock: many readers or one writer. A number is one kind of lock for ever. */
  rwLock(index: number): SharedRwLock {
    return new SharedRwLock(() => this.#use(), this.#claim(index, KIND_RW), `Read/write lock ${index}`);
  }

  /** A lock with one holder at a time. A number is one kind of lock for ever. */
  mutex(index: number): SharedMutex {
    return new SharedMutex(() => this.#use(), this.#claim(index, KIND_MUTEX), `Mutex ${index}`);
  }

  /**
   * Ends the current wait of another thread with a LockAbortedError, or its next one if it does not wait now (a lock that is free is
   * taken all the same).
   */
  abort(threadIndex: number): void {
    checkThreadIndex(this.#handle, threadIndex);
    send_signal(this.#use(), threadIndex as CpuId, SIGKILL);
  }

  /** Forgets an abort that came while this thread did not wait. @returns whether there was one */
  clearAbort(): boolean {
    return takeSignals(this.#use()) !== 0;
  }

  /** Gives the index back. @throws UsageError when this thread still holds a lock */
  close(): void {
    const cpu = this.#use();
    if (heldCount(cpu) !== 0) {
      throw new UsageError(`Thread ${this.threadIndex} still holds ${heldCount(cpu)} lock(s); release them before it is closed.`);
    }
    this.#open = false;
    atomic_set(cpu, this.#runState(), RUN_OFFLINE); // Release. Pairs with: the claim in the constructor.
  }

  [Symbol.dispose](): void {
    if (this.#open) this.close();
  }

  #use(): Cpu {
    if (!this.#open) throw new UsageError(`Thread ${this.threadIndex} of the lock space is closed; attach again to use its locks.`);
    return this.#cpu;
  }

  #runState(): Word {
    return (this.#cpu.percpu + PC_RUN_STATE) as Word;
  }

  /** Word of a lock that is, or becomes now, of that kind. */
  #claim(index: number, kind: number): Word {
    const { locks } = this.#handle;
    if (!Number.isInteger(index) || index < 0 || index >= locks) {
      throw new UsageError(`Lock ${index} does not exist; the space was created with ${locks} locks, numbered from 0.`);
    }
    const word = lockWord(this.#cpu.memory, index);
    const before = atomic_cmpxchg(this.#use(), (word + KIND_WORD) as Word, 0, kind); // Alone: whoever comes first decides.
    if (before !== 0 && before !== kind) {
      throw new UsageError(`Lock ${index} is in use as a ${kind === KIND_RW ? 'mutex' : 'read/write lock'}; use another number.`);
    }
    return word;
  }
}

/** @throws UsageError */
export function checkThreadIndex(handle: LockSpaceHandle, threadIndex: number): void {
  if (!Number.isInteger(threadIndex) || threadIndex < 0 || threadIndex >= handle.threads) {
    throw new UsageError(`Thread ${threadIndex} does not exist; the space was created for ${handle.threads} threads, numbered from 0.`);
  }
}

/**
 * A set of locks in shared memory, for any program with worker threads.
 *
 *   main thread      const space = LockSpace.create({ threads: 2, locks: 1 });
 *                    new Worker(file, { workerData: { handle: space.handle, threadIndex: 0 } });
 *   each worker      const locks = LockSpace.attach(handle, threadIndex, { now: () => performance.now() });
 *                    const lock = locks.rwLock(0);
 *                    { using guard = lock.write({ timeoutMs: 1000 }); ... }
 *
 * Next: lock_thread.ts
 */
import type { CpuId } from '../base/brand.ts';
import { UsageError } from '../base/errors.ts';
import { Cpu } from '../cpu.ts';
import { CPUS_MAX, LOCKS_ONLY_SIZE } from '../memory/limits.ts';
import { createMemory } from '../memory/shared_memory.ts';
import { LINE_WORDS } from '../memory/shared_words.ts';
import { SIGKILL, send_signal } from '../sched/task.ts';
import type { LockSpaceHandle } from './lock_space_layout.ts';
import { checkThreadIndex, LockThread, type ThreadOptions } from './lock_thread.ts';

export interface LockSpaceOptions {
  /** How many threads will attach at once, the main thread included if it uses locks too. */
  readonly threads: number;
  /** How many locks, of either kind. */
  readonly locks: number;
  /** Use a plain SharedArrayBuffer and Atomics instead of WebAssembly: slower, for places that forbid WebAssembly. */
  readonly withoutWebAssembly?: boolean;
}

const LOCKS_MAX: number = 1 << 20;

export class LockSpace {
  /** Send this to the threads. */
  readonly handle: LockSpaceHandle;
  /** The owner has a number of its own behind those of the threads, to send aborts from. */
  readonly #owner: Cpu;

  private constructor(handle: LockSpaceHandle, owner: Cpu) {
    this.handle = handle;
    this.#owner = owner;
  }

  /** Allocates the locks, all free. */
  static create(options: LockSpaceOptions): LockSpace {
    const { threads, locks, withoutWebAssembly = false } = options;
    checkCount('threads', threads, CPUS_MAX - 1);
    checkCount('locks', locks, LOCKS_MAX);
    const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus: threads + 1, userWords: locks * LINE_WORDS }, withoutWebAssembly);
    const owner = new Cpu({ id: threads as CpuId, memory, now: () => 0 });
    return new LockSpace({ memory: memory.handle, threads, locks }, owner);
  }

  /**
   * Access for one thread; call it on that thread. A thread may wait in a lock only where blocking is allowed: not on a page's main thread.
   * @throws UsageError when the index does not exist or another thread uses it
   */
  static attach(handle: LockSpaceHandle, threadIndex: number, options: ThreadOptions): LockThread {
    return new LockThread(handle, threadIndex, options);
  }

  /** Ends the current wait of a thread, or its next one, with a LockAbortedError. */
  abort(threadIndex: number): void {
    checkThreadIndex(this.handle, threadIndex);
    send_signal(this.#owner, threadIndex as CpuId, SIGKILL);
  }
}

function checkCount(name: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new UsageError(`${name} is ${value}, but it must be a whole number from 1 to ${most}.`);
  }
}

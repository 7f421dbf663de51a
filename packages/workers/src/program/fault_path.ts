/**
 * Which way an access took through the fault handler, from what it added to the counters of its CPU.
 * Next: program_work.ts times the ways apart.
 */
import type { Cpu } from '@faultlab/core/cpu';
import { FAULTS_GUP, FAULTS_KERNEL, FAULTS_USER, MMAP_ATTEMPTS, VMA_LOCK_RETRY, VMA_LOCK_SUCCESS } from '@faultlab/core/trace/counters';
import { pathIndex } from './latency.ts';
import {
  OP_BRK,
  OP_FORK_CHECK,
  OP_FORK_GIVE,
  OP_FREAD,
  OP_FSYNC,
  OP_FWRITE,
  OP_KERNEL_READ,
  OP_KERNEL_WRITE,
  OP_MADVISE,
  OP_MEMORY_HOG,
  OP_MLOCK,
  OP_MMAP,
  OP_MPROTECT,
  OP_MREMAP,
  OP_MSYNC,
  OP_MUNMAP,
  OP_PIN_RANGE,
  OP_PROCESS_ROUND,
  OP_PROCESS_TREE,
  OP_PUNCH,
  OP_READ_RANGE,
  OP_REMOTE_READ,
  OP_REMOTE_WRITE,
  OP_SYNC,
  OP_TRUNCATE,
  type OpKind,
} from './op.ts';

export const NO_PATH = -1;
const VMA_LOCK = pathIndex('fault: vma lock');
const FALLBACK = pathIndex('fault: mmap fallback');
const RETRY = pathIndex('fault: retry');
const REFUSED = pathIndex('fault: refused');

/** The page was brought. */
export const isServed = (path: number): boolean => path === VMA_LOCK || path === FALLBACK || path === RETRY;

const CALL_PATHS: ReadonlyMap<OpKind, number> = new Map([
  [OP_KERNEL_READ, pathIndex('kernel access')],
  [OP_KERNEL_WRITE, pathIndex('kernel access')],
  [OP_REMOTE_READ, pathIndex('remote access')],
  [OP_REMOTE_WRITE, pathIndex('remote access')],
  [OP_MMAP, pathIndex('mmap')],
  [OP_MUNMAP, pathIndex('munmap')],
  [OP_MPROTECT, pathIndex('mprotect')],
  [OP_MREMAP, pathIndex('mremap')],
  [OP_MADVISE, pathIndex('madvise')],
  [OP_MLOCK, pathIndex('mlock')],
  [OP_BRK, pathIndex('brk')],
  [OP_FREAD, pathIndex('file read')],
  [OP_FWRITE, pathIndex('file write')],
  [OP_TRUNCATE, pathIndex('truncate or punch')],
  [OP_PUNCH, pathIndex('truncate or punch')],
  [OP_FSYNC, pathIndex('sync')],
  [OP_SYNC, pathIndex('sync')],
  [OP_MSYNC, pathIndex('sync')],
  [OP_READ_RANGE, pathIndex('pages through GUP')],
  [OP_PIN_RANGE, pathIndex('pages through GUP')],
  [OP_FORK_GIVE, pathIndex('fork')],
  [OP_FORK_CHECK, pathIndex('fork and exit')],
  [OP_PROCESS_ROUND, pathIndex('process round')],
  [OP_MEMORY_HOG, pathIndex('process round')],
  [OP_PROCESS_TREE, pathIndex('process round')],
]);

/** Path of a call, or NO_PATH for operations that are not timed by their kind. */
export const callPath = (kind: OpKind): number => CALL_PATHS.get(kind) ?? NO_PATH;

/** Watches the counters of one CPU over one access. */
export class FaultPathProbe {
  readonly #cpu: Cpu;
  #faults = 0;
  #successes = 0;
  #retries = 0;
  #attempts = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  begin(): void {
    this.#faults = this.#entries();
    this.#successes = this.#read(VMA_LOCK_SUCCESS);
    this.#retries = this.#read(VMA_LOCK_RETRY);
    this.#attempts = this.#read(MMAP_ATTEMPTS);
  }

  /** @returns the path that a user access took, or NO_PATH when it did not fault */
  end(good: boolean): number {
    if (this.#entries() === this.#faults) return NO_PATH;
    if (!good) return REFUSED;
    const attempts = this.#read(MMAP_ATTEMPTS) - this.#attempts;
    if (this.#read(VMA_LOCK_RETRY) !== this.#retries || attempts > 1) return RETRY;
    return this.#read(VMA_LOCK_SUCCESS) !== this.#successes ? VMA_LOCK : FALLBACK;
  }

  #entries(): number {
    return this.#read(FAULTS_USER) + this.#read(FAULTS_KERNEL) + this.#read(FAULTS_GUP);
  }

  #read(counter: number): number {
    return this.#cpu.words[this.#cpu.percpu + counter] as number;
  }
}

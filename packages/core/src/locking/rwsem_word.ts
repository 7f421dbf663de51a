/**
 * The words of a reader/writer semaphore and what their bits mean.
 *
 *   count   bit 0      a writer owns the lock
 *           bit 1      somebody is queued
 *           bit 2      the first in the queue demands the lock: nobody may take it before him
 *           bits 8-30  readers that own it, or claim it for an instant
 *           bit 31     guard: the readers have overflowed
 *   owner   (cpu + 1) << 2 of the writer or of the last reader | NONSPINNABLE | READER_OWNED; a hint, never a proof
 *   wait_lock, head, tail   the queue
 *   osq     the one CPU that spins for the lock (cpu + 1)
 *
 * @kernel include/linux/rwsem.h, kernel/locking/rwsem.c
 * @fidelity faithful: the 32-bit layout of the count; reduced: the owner is a CPU number
 * Next: locking/rwsem.ts
 */
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_and, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';

/** Words of one lock. All zero is unlocked. */
export const RWSEM_WORDS = 8;

export const SEM_COUNT = 0;
export const SEM_OWNER = 1;
export const SEM_WAIT_LOCK = 2;
/** Head and tail of the queue (locking/wait_list.ts). */
export const SEM_WAIT_LIST = 3;
export const SEM_OSQ = 5;

export const RWSEM_WRITER_LOCKED = 1;
export const RWSEM_FLAG_WAITERS = 2;
export const RWSEM_FLAG_HANDOFF = 4;
export const RWSEM_READER_SHIFT = 8;
export const RWSEM_READER_BIAS: number = 1 << RWSEM_READER_SHIFT;
/** The sign bit of the 32-bit word. */
export const RWSEM_FLAG_READFAIL: number = 1 << 31;
export const RWSEM_READER_MASK: number = ~(RWSEM_READER_BIAS - 1) & ~RWSEM_FLAG_READFAIL;
export const RWSEM_LOCK_MASK: number = RWSEM_WRITER_LOCKED | RWSEM_READER_MASK;
export const RWSEM_READ_FAILED_MASK: number = RWSEM_WRITER_LOCKED | RWSEM_FLAG_WAITERS | RWSEM_FLAG_HANDOFF | RWSEM_FLAG_READFAIL;

/** Owner word: the lock was last taken by a reader. A hint. */
export const RWSEM_READER_OWNED = 1;
/** Owner word: a spinner has waited for readers long enough; do not spin for them again until they are gone. */
export const RWSEM_NONSPINNABLE = 2;
const OWNER_SHIFT = 2;
// Copies: V8 folds a constant that the module keeps to itself into the machine code, an exported one it loads each time.
const OWNER_AT = SEM_OWNER;
const READER_OWNED = RWSEM_READER_OWNED;
const NONSPINNABLE = RWSEM_NONSPINNABLE;

/** A waiter may demand the lock after so long. @kernel RWSEM_WAIT_TIMEOUT */
export const RWSEM_WAIT_TIMEOUT_MS = 4;
/** Readers granted in one go. */
export const MAX_READERS_WAKEUP = 0x100;

export const semWord = (sem: Word, field: number): Word => (sem + field) as Word;

/** CPU of an owner word, or -1 when nobody is written there. */
export const ownerCpu = (owner: number): CpuId => ((owner >>> OWNER_SHIFT) - 1) as CpuId;

/** Marks a writer as the owner. Plain, marked stores: the word is a hint. */
export function rwsem_set_owner(cpu: Cpu, sem: Word): void {
  WRITE_ONCE(cpu, semWord(sem, SEM_OWNER), (cpu.id + 1) << OWNER_SHIFT);
}

export function rwsem_clear_owner(cpu: Cpu, sem: Word): void {
  WRITE_ONCE(cpu, semWord(sem, SEM_OWNER), 0);
}

/** Marks a reader (CPU + 1) as the last one, and keeps NONSPINNABLE. Writes nothing when the word says so already: a store to a line just locked is dear. */
export function __rwsem_set_reader_owned(cpu: Cpu, sem: Word, reader: number): void {
  const word = semWord(sem, SEM_OWNER);
  const seen = READ_ONCE(cpu, word);
  const wanted = (reader << OWNER_SHIFT) | RWSEM_READER_OWNED | (seen & RWSEM_NONSPINNABLE);
  if (seen !== wanted) WRITE_ONCE(cpu, word, wanted);
}

/** Marks this CPU as the last reader. */
export function rwsem_set_reader_owned(cpu: Cpu, sem: Word): void {
  const word = semWord(sem, OWNER_AT);
  const seen = READ_ONCE(cpu, word);
  const wanted = ((cpu.id + 1) << OWNER_SHIFT) | READER_OWNED | (seen & NONSPINNABLE);
  if (seen !== wanted) WRITE_ONCE(cpu, word, wanted);
}

/** Lets writers spin again. @kernel clear_nonspinnable() */
export function clear_nonspinnable(cpu: Cpu, sem: Word): void {
  const word = semWord(sem, SEM_OWNER);
  // Alone: a hint; a lost update costs one spin.
  if ((READ_ONCE(cpu, word) & RWSEM_NONSPINNABLE) !== 0) atomic_fetch_and(cpu, word, ~RWSEM_NONSPINNABLE);
}

/**
 * How a lock space lies in shared memory: one cache line per lock, in the user region of a memory without any memory management.
 * Next: lock_space.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import { MUTEX_WORDS } from '../locking/mutex.ts';
import { RWSEM_WORDS } from '../locking/rwsem_word.ts';
import type { MemoryHandle, SharedMemory } from '../memory/shared_memory.ts';
import { LINE_WORDS } from '../memory/shared_words.ts';

/** Send it to any thread; the memory is shared, not copied. */
export interface LockSpaceHandle {
  readonly memory: MemoryHandle;
  readonly threads: number;
  readonly locks: number;
}

/** Last word of a lock's line: which kind of lock it is. */
export const KIND_WORD: number = LINE_WORDS - 1;
export const KIND_RW = 1;
export const KIND_MUTEX = 2;
assert(RWSEM_WORDS <= KIND_WORD && MUTEX_WORDS <= KIND_WORD, 'lock_space: a lock does not fit its cache line');

export const lockWord = (memory: SharedMemory, index: number): Word => (memory.userAt + index * LINE_WORDS) as Word;

/**
 * mmap_lock: the big lock of an address space, with the write sequence that ends every VMA write lock at once.
 * @kernel include/linux/mmap_lock.h
 * @fidelity faithful: order of trace events, sequence and lock as in 6.12 and later; no write trylock
 * Next: mm/vma_lock.ts
 */
import { invariant } from '../base/assert.ts';
import type { MmId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode } from '../locking/held_locks.ts';
import { LOCK_MMAP } from '../locking/lock_class.ts';
import {
  down_read,
  down_read_killable,
  down_read_trylock,
  down_write,
  down_write_killable,
  downgrade_write,
  up_read,
  up_write,
} from '../locking/rwsem.ts';
import { atomic_fetch_add, READ_ONCE } from '../memory/atomic.ts';
import { MUTANT_B41, MUTANT_B42 } from '../mutants/ids.ts';
import {
  count_vm_event,
  MMAP_DOWNGRADED,
  MMAP_READ_ACQUIRED,
  MMAP_READ_RELEASED,
  MMAP_TRYLOCK_FAILED,
  MMAP_WRITE_ACQUIRED,
  MMAP_WRITE_RELEASED,
} from '../trace/counters.ts';
import { TRACE_MMAP_LOCK_ACQUIRE_RETURNED, TRACE_MMAP_LOCK_RELEASED, TRACE_MMAP_LOCK_START_LOCKING } from '../trace/events.ts';
import { at, MMAP_WRITE_LOCKED } from '../trace/points.ts';
import { trace } from '../trace/trace_ring.ts';
import { checkMmapOwners } from './mm_checks.ts';
import { mmapLockWord, mmLockSeqWord } from './mm_struct.ts';

const READ = 0;
const WRITE = 1;

function acquired(cpu: Cpu, mm: MmId, mode: number): void {
  count_vm_event(cpu, mode === WRITE ? MMAP_WRITE_ACQUIRED : MMAP_READ_ACQUIRED);
  trace(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, mode, 1);
  if (cpu.verify) checkMmapOwners(cpu, mm, mode);
}

/** The sequence becomes odd: every stamp written from now on says "write-locked". @locks in: mmap write */
function mm_lock_seqcount_begin(cpu: Cpu, mm: MmId): void {
  const before = atomic_fetch_add(cpu, mmLockSeqWord(cpu.memory, mm), 1); // Pairs with: vma_start_read(), its second look at the sequence.
  invariant((before & 1) === 0, 'I07', 'mmap write lock: the sequence was odd already');
}

/**
 * Ends every VMA write lock of this address space. Called by unlock and downgrade, and by nobody else: called in the middle it would
 * release the locks of the callers too. @locks in: mmap write
 */
export function vma_end_write_all(cpu: Cpu, mm: MmId): void {
  mmap_assert_write_locked(cpu, mm);
  // Release: all changes to the areas. Pairs with: vma_start_read(), its second look at the sequence.
  const before = atomic_fetch_add(cpu, mmLockSeqWord(cpu.memory, mm), 1);
  invariant((before & 1) === 1, 'I07', 'vma_end_write_all: the sequence was even, so no write section was open');
}

/** @locks out: mmap read. May sleep. */
export function mmap_read_lock(cpu: Cpu, mm: MmId): void {
  trace(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, READ);
  down_read(cpu, mmapLockWord(cpu.memory, mm), LOCK_MMAP);
  acquired(cpu, mm, READ);
}

/** @returns 0 with mmap read held, or EINTR with nothing held. May sleep. */
export function mmap_read_lock_killable(cpu: Cpu, mm: MmId): number {
  trace(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, READ);
  const error = down_read_killable(cpu, mmapLockWord(cpu.memory, mm), LOCK_MMAP);
  if (error !== 0) trace(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, READ, 0);
  else acquired(cpu, mm, READ);
  return error;
}

/** Never sleeps. Fails when a writer holds the lock or merely waits for it. */
export function mmap_read_trylock(cpu: Cpu, mm: MmId): boolean {
  trace(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, READ);
  const got = down_read_trylock(cpu, mmapLockWord(cpu.memory, mm), LOCK_MMAP);
  if (got) acquired(cpu, mm, READ);
  else {
    count_vm_event(cpu, MMAP_TRYLOCK_FAILED);
    trace(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, READ, 0);
  }
  return got;
}

/** @locks in: mmap read. out: nothing. */
export function mmap_read_unlock(cpu: Cpu, mm: MmId): void {
  trace(cpu, TRACE_MMAP_LOCK_RELEASED, mm, READ);
  count_vm_event(cpu, MMAP_READ_RELEASED);
  up_read(cpu, mmapLockWord(cpu.memory, mm));
}

/** @locks out: mmap write. May sleep. */
export function mmap_write_lock(cpu: Cpu, mm: MmId): void {
  trace(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, WRITE);
  down_write(cpu, mmapLockWord(cpu.memory, mm), LOCK_MMAP);
  mm_lock_seqcount_begin(cpu, mm);
  acquired(cpu, mm, WRITE);
  at(cpu, MMAP_WRITE_LOCKED);
}

/** @returns 0 with mmap write held, or EINTR with nothing held; the sequence moves only on success. May sleep. */
export function mmap_write_lock_killable(cpu: Cpu, mm: MmId): number {
  trace(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, WRITE);
  const error = down_write_killable(cpu, mmapLockWord(cpu.memory, mm), LOCK_MMAP);
  if (error !== 0 && cpu.mutant === MUTANT_B42) mm_lock_seqcount_begin(cpu, mm);
  if (error !== 0) {
    trace(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, WRITE, 0);
    return error;
  }
  mm_lock_seqcount_begin(cpu, mm);
  acquired(cpu, mm, WRITE);
  at(cpu, MMAP_WRITE_LOCKED);
  return 0;
}

/** @locks in: mmap write and whatever VMA write locks were taken under it. out: nothing. */
export function mmap_write_unlock(cpu: Cpu, mm: MmId): void {
  trace(cpu, TRACE_MMAP_LOCK_RELEASED, mm, WRITE);
  count_vm_event(cpu, MMAP_WRITE_RELEASED);
  vma_end_write_all(cpu, mm);
  up_write(cpu, mmapLockWord(cpu.memory, mm));
}

/** @locks in: mmap write. out: mmap read; all VMA write locks are gone. */
export function mmap_write_downgrade(cpu: Cpu, mm: MmId): void {
  trace(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, READ, 1);
  count_vm_event(cpu, MMAP_DOWNGRADED);
  if (cpu.mutant !== MUTANT_B41) vma_end_write_all(cpu, mm);
  downgrade_write(cpu, mmapLockWord(cpu.memory, mm));
}

/** I06: this CPU holds mmap_lock for writing. */
export function mmap_assert_write_locked(cpu: Cpu, mm: MmId): void {
  invariant(heldMode(cpu, mmapLockWord(cpu.memory, mm)) === WRITE, 'I06', 'mmap_lock is not held for writing by this CPU');
}

/** This CPU holds mmap_lock, either way. */
export function mmap_assert_locked(cpu: Cpu, mm: MmId): void {
  invariant(heldMode(cpu, mmapLockWord(cpu.memory, mm)) >= READ, 'I06', 'mmap_lock is not held by this CPU');
}

export const holdsMmapLock = (cpu: Cpu, mm: MmId): boolean => heldMode(cpu, mmapLockWord(cpu.memory, mm)) >= READ;

/** The sequence without ordering: a hint, or a read by the writer itself. */
export const mmLockSeqHint = (cpu: Cpu, mm: MmId): number => READ_ONCE(cpu, mmLockSeqWord(cpu.memory, mm));

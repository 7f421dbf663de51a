/**
 * Design B, 6.15 on: one word per area counts the attachment (1), the readers (1 each) and a writer that drains them (bit 30).
 *
 *   reader                                    writer (holds mmap_lock)
 *   1 increment, unless 0 or bit 30
 *                                             2 adds bit 30: new readers fail
 *   3 looks at the stamp: unlocked, goes on
 *                                             4 count is bit 30 + 2: sleeps
 *   5 done: decrement, wakes the writer
 *                                             6 count is bit 30 + 1: stamps, subtracts bit 30
 *   7 increments, stamp equals the sequence   <- decides: leaves again
 *
 * @kernel mm/mmap_lock.c (6.16), include/linux/mmap_lock.h
 * @fidelity faithful; the record of the waiting writer is one rcuwait word per address space
 * Next: mm/vma_lock.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { MmId, VmaId, Word } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { MODE_WRITE } from '../locking/held_locks.ts';
import { LOCK_VMA } from '../locking/lock_class.ts';
import { noteLockWait } from '../locking/lock_waits.ts';
import { rcuwait_wait_event, rcuwait_wake_up } from '../locking/rcuwait.ts';
import { atomic_fetch_add, atomic_inc_not_zero_limited, atomic_read, atomic_set, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { MUTANT_B06, MUTANT_B12, MUTANT_B12B, MUTANT_B14, MUTANT_B48 } from '../mutants/ids.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { AFTER_PIN, at, BETWEEN_EXCLUDE_AND_STAMP, BETWEEN_PUT_AND_WAKE } from '../trace/points.ts';
import { mmIsAlive } from './mm_checks.ts';
import { mmdrop, mmgrab, mmLockSeqWord, vmaWriterWaitWord } from './mm_struct.ts';
import { vmLockSeqWord, vmMmWord, vmRefcntWord } from './vm_area_struct.ts';
import { type StartRead, VMA_CONTENDED, VMA_DETACHED, VMA_LOCKED } from './vma_start_read.ts';

/** @kernel VM_REFCNT_EXCLUDE_READERS_FLAG, earlier VMA_LOCK_OFFSET */
export const VMA_LOCK_OFFSET = 0x40000000;
/** Readers an area can have. @kernel VM_REFCNT_LIMIT */
export const VM_REFCNT_LIMIT: number = VMA_LOCK_OFFSET - 1;
const ATTACHED = 1;

// Copies: V8 folds a constant of this module into the machine code, an imported one it loads each time.
const LIMIT = VM_REFCNT_LIMIT;
const EXCLUDE = VMA_LOCK_OFFSET;
const LOCKED: StartRead = VMA_LOCKED;
const CONTENDED: StartRead = VMA_CONTENDED;
const DETACHED: StartRead = VMA_DETACHED;
const POINT_AFTER_PIN = AFTER_PIN;

/** See vma_start_read(). */
export function refcountStartRead(cpu: Cpu, mm: MmId, vma: VmaId): StartRead {
  const m = cpu.memory;
  const seqWord = mmLockSeqWord(m, mm);
  const stampWord = vmLockSeqWord(m, vma);
  // R2. Alone: a hint; a stale answer costs the slow path and no more.
  if (READ_ONCE(cpu, stampWord) === READ_ONCE(cpu, seqWord)) return CONTENDED;
  const early = cpu.mutant === MUTANT_B06 ? sequenceBeforePin(cpu, seqWord) : 0;
  // Acquire (O1). Pairs with: refcountMarkAttached() and the subtraction in refcountStartWrite().
  const before =
    cpu.mutant === MUTANT_B48 ? testThenAdd(cpu, vmRefcntWord(m, vma)) : atomic_inc_not_zero_limited(cpu, vmRefcntWord(m, vma), LIMIT);
  if (before === 0) return DETACHED; // R3
  if (before >= LIMIT) return CONTENDED; // R4
  at(cpu, POINT_AFTER_PIN);
  const owner = READ_ONCE(cpu, vmMmWord(m, vma)) as MmId;
  if (owner !== mm && cpu.mutant !== MUTANT_B14) {
    putForeign(cpu, vma, owner); // R5
    return CONTENDED;
  }
  // R6. Acquire (O3). Pairs with: vma_end_write_all().
  const sequence = cpu.mutant === MUTANT_B06 ? early : atomic_read(cpu, seqWord);
  if (sequence === READ_ONCE(cpu, stampWord)) {
    refcountEndRead(cpu, vma);
    return CONTENDED;
  }
  return LOCKED;
}

/** B06: the sequence as it was before the reference was taken. */
function sequenceBeforePin(cpu: Cpu, seqWord: Word): number {
  const seen = READ_ONCE(cpu, seqWord);
  at(cpu, POINT_AFTER_PIN);
  return seen;
}

/** B48: the tests and the addition are two steps. */
function testThenAdd(cpu: Cpu, refcnt: Word): number {
  const seen = atomic_read(cpu, refcnt); // Alone: what the mutant has wrong.
  if (seen === 0 || seen >= LIMIT) return seen;
  at(cpu, POINT_AFTER_PIN);
  atomic_fetch_add(cpu, refcnt, 1); // Pairs with nothing, as the mutant has it.
  return seen;
}

/**
 * The slot was reused by another address space between our walk and our pin. Its writer may be waiting for us, and may tear the whole
 * address space down as soon as our count is gone - so pin that mm before letting go, and read its name before that.
 */
function putForeign(cpu: Cpu, vma: VmaId, owner: MmId): void {
  const kept = cpu.mutant !== MUTANT_B12;
  if (kept) mmgrab(cpu, owner);
  refcountEndRead(cpu, vma);
  if (kept) mmdrop(cpu, owner);
}

/** Drops one reader, and wakes the writer when only it can go on. The slot may be anybody's the instant the count has dropped. */
export function refcountEndRead(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  const mm = READ_ONCE(cpu, vmMmWord(m, vma)) as MmId; // Before the decrement.
  const before = atomic_fetch_add(cpu, vmRefcntWord(m, vma), -1); // Release (O6). Pairs with: the wait in exclude().
  invariant((before & LIMIT) > 0, 'I04', 'vma_refcount_put: the count was already zero');
  const after = before - 1;
  if (after > ATTACHED && (after & EXCLUDE) !== 0) putUnderWriter(cpu, cpu.mutant === MUTANT_B12B ? nameAfterPut(cpu, vma) : mm, after);
}

/** B12b: whose area it is, asked when it may be anybody's. */
function nameAfterPut(cpu: Cpu, vma: VmaId): MmId {
  at(cpu, BETWEEN_PUT_AND_WAKE);
  return READ_ONCE(cpu, vmMmWord(cpu.memory, vma)) as MmId;
}

/** A writer is draining the area: wake it if what is left is only the attachment, or nothing while it detaches the area. */
function putUnderWriter(cpu: Cpu, mm: MmId, after: number): void {
  at(cpu, BETWEEN_PUT_AND_WAKE);
  if (cpu.verify) mmIsAlive(cpu, mm);
  if (after <= VMA_LOCK_OFFSET + ATTACHED) rcuwait_wake_up(cpu, vmaWriterWaitWord(cpu.memory, mm));
}

/** Keeps new readers out and waits until the count is `drained`. @returns whether it had to wait */
function exclude(cpu: Cpu, vma: VmaId, refcnt: Word, before: number, drained: number): boolean {
  if (before + VMA_LOCK_OFFSET === drained) return false;
  const mm = READ_ONCE(cpu, vmMmWord(cpu.memory, vma)) as MmId;
  const since = cpu.now();
  // Pairs with: refcountEndRead(), whose decrement comes before its wake-up (O7).
  rcuwait_wait_event(cpu, vmaWriterWaitWord(cpu.memory, mm), () => atomic_read(cpu, refcnt) === drained, TASK_UNINTERRUPTIBLE);
  noteLockWait(cpu, LOCK_VMA, MODE_WRITE, refcnt, since);
  return true;
}

/** See vma_start_write(). @returns whether it had to wait for readers */
export function refcountStartWrite(cpu: Cpu, vma: VmaId, stamp: number): boolean {
  const m = cpu.memory;
  const refcnt = vmRefcntWord(m, vma);
  const stampWord = vmLockSeqWord(m, vma);
  invariant((stamp & 1) === 1, 'I05', 'vma_start_write: the sequence is even although mmap_lock is write-held');
  // A detached area has no readers and gets none: only the holder of mmap_lock attaches.
  if (atomic_read(cpu, refcnt) === 0) {
    WRITE_ONCE(cpu, stampWord, stamp);
    return false;
  }
  const before = atomic_fetch_add(cpu, refcnt, VMA_LOCK_OFFSET); // Pairs with: the limit in refcountStartRead().
  invariant(before > 0 && before < VMA_LOCK_OFFSET, 'I04', 'vma_start_write: a writer was draining the area already');
  const waited = exclude(cpu, vma, refcnt, before, VMA_LOCK_OFFSET + ATTACHED);
  at(cpu, BETWEEN_EXCLUDE_AND_STAMP);
  WRITE_ONCE(cpu, stampWord, stamp); // Strictly inside the excluded window (O4).
  const drained = atomic_fetch_add(cpu, refcnt, -VMA_LOCK_OFFSET); // Release (O4). Pairs with: refcountStartRead().
  invariant(drained === VMA_LOCK_OFFSET + ATTACHED, 'I05', 'vma_start_write: the area was stamped while a reader was in');
  return waited;
}

/** See vma_mark_attached(). Release: the area is complete (O2). Pairs with: the increment in refcountStartRead(). */
export function refcountMarkAttached(cpu: Cpu, vma: VmaId): void {
  const refcnt = vmRefcntWord(cpu.memory, vma);
  invariant(atomic_read(cpu, refcnt) === 0, 'I04', 'vma_mark_attached: the count of a detached area is not zero');
  assert((READ_ONCE(cpu, vmMmWord(cpu.memory, vma)) as MmId) !== NO_MM, 'vma_mark_attached: the area belongs to no address space');
  atomic_set(cpu, refcnt, ATTACHED);
}

/** See vma_mark_detached(). */
export function refcountMarkDetached(cpu: Cpu, vma: VmaId): void {
  const refcnt = vmRefcntWord(cpu.memory, vma);
  const before = atomic_fetch_add(cpu, refcnt, -1); // Pairs with: refcountStartRead(), which fails on zero.
  invariant(before > 0, 'I04', 'vma_mark_detached: the area was not attached');
  if (before === 1) return;
  // Only readers are left that will see the stamp and go. Keep more from coming, and wait for these.
  const again = atomic_fetch_add(cpu, refcnt, VMA_LOCK_OFFSET); // Pairs with: refcountEndRead().
  exclude(cpu, vma, refcnt, again, VMA_LOCK_OFFSET);
  const drained = atomic_fetch_add(cpu, refcnt, -VMA_LOCK_OFFSET); // Alone: nobody can hold the area any more.
  invariant(drained === VMA_LOCK_OFFSET, 'I04', 'vma_mark_detached: a reader was left');
}

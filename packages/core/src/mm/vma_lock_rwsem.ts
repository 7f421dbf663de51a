/**
 * Design A, 6.4 to 6.14: each area has a rwsem, which readers trylock and a writer takes only for the instant in which it stamps the area.
 * Areas are freed after a grace period, because a reader may still be releasing the rwsem.
 * @kernel include/linux/mm.h vma_start_read(), vma_start_write() (6.12)
 * @fidelity faithful; the rwsem lies in the area's record instead of a separate allocation
 * Next: mm/vma_lock.ts
 */
import { invariant } from '../base/assert.ts';
import type { MmId, VmaId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_VMA } from '../locking/lock_class.ts';
import { down_read_trylock, down_write, rwsem_is_locked, up_read, up_write } from '../locking/rwsem.ts';
import { atomic_read, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { MUTANT_B11 } from '../mutants/ids.ts';
import { rcu_read_lock, rcu_read_unlock } from '../sched/rcu_state.ts';
import { AFTER_PIN, at, BETWEEN_EXCLUDE_AND_STAMP } from '../trace/points.ts';
import { mmLockSeqWord } from './mm_struct.ts';
import { vmDetachedWord, vmLockSeqWord, vmLockWord } from './vm_area_struct.ts';
import { type StartRead, VMA_CONTENDED, VMA_DETACHED, VMA_LOCKED } from './vma_start_read.ts';

/** See vma_start_read(). @locks in: rcu read */
export function rwsemStartRead(cpu: Cpu, mm: MmId, vma: VmaId): StartRead {
  const m = cpu.memory;
  const seqWord = mmLockSeqWord(m, mm);
  const stampWord = vmLockSeqWord(m, vma);
  // Alone: a hint (R2).
  if (READ_ONCE(cpu, stampWord) === READ_ONCE(cpu, seqWord)) return VMA_CONTENDED;
  if (!down_read_trylock(cpu, vmLockWord(m, vma), LOCK_VMA)) return VMA_CONTENDED;
  at(cpu, AFTER_PIN);
  // R6. Acquire (O3). Pairs with: vma_end_write_all().
  if (atomic_read(cpu, seqWord) === READ_ONCE(cpu, stampWord)) {
    up_read(cpu, vmLockWord(m, vma));
    return VMA_CONTENDED;
  }
  // R8: before anybody looks at the bounds of the area.
  if (READ_ONCE(cpu, vmDetachedWord(m, vma)) !== 0 && cpu.mutant !== MUTANT_B11) {
    up_read(cpu, vmLockWord(m, vma));
    return VMA_DETACHED;
  }
  return VMA_LOCKED;
}

/** Inside a read section of its own: after the count drops the area may be freed while up_read still looks at the wait list (O8). */
export function rwsemEndRead(cpu: Cpu, vma: VmaId): void {
  rcu_read_lock(cpu);
  up_read(cpu, vmLockWord(cpu.memory, vma));
  rcu_read_unlock(cpu);
}

/** See vma_start_write(). @returns whether readers were in */
export function rwsemStartWrite(cpu: Cpu, vma: VmaId, stamp: number): boolean {
  const m = cpu.memory;
  const lock = vmLockWord(m, vma);
  invariant((stamp & 1) === 1, 'I05', 'vma_start_write: the sequence is even although mmap_lock is write-held');
  const busy = rwsem_is_locked(cpu, lock);
  down_write(cpu, lock, LOCK_VMA);
  at(cpu, BETWEEN_EXCLUDE_AND_STAMP);
  WRITE_ONCE(cpu, vmLockSeqWord(m, vma), stamp); // Published by the release in up_write().
  up_write(cpu, lock);
  return busy;
}

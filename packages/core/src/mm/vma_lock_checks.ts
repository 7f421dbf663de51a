/**
 * Checks of the per-VMA lock that look at all CPUs; only with cpu.verify.
 * Next: mm/vma_lock.ts
 */
import { invariant } from '../base/assert.ts';
import type { CpuId, VmaId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { readHeld } from '../locking/held_locks.ts';
import { LOCK_VMA } from '../locking/lock_class.ts';
import { checkLockOrder } from '../locking/lockdep.ts';
import { vmRefcntWord } from './vm_area_struct.ts';

/** I03: from the return of vma_start_write on, no CPU holds a granted read lock on the area. */
export function noReaderHolds(cpu: Cpu, vma: VmaId): void {
  const word = vmRefcntWord(cpu.memory, vma);
  for (let other = 0; other < cpu.memory.size.cpus; other++) {
    if (other === cpu.id) continue;
    for (const held of readHeld(cpu.memory, other as CpuId)) {
      invariant(held.word !== word, 'I03', 'a CPU still holds a VMA read lock after vma_start_write returned');
    }
  }
}

/** I11: whoever waits for the readers of an area holds no VMA read lock himself, and nothing that a reader may wait for. */
export function mayWaitForReaders(cpu: Cpu): void {
  checkLockOrder(cpu, LOCK_VMA);
  for (const held of readHeld(cpu.memory, cpu.id)) {
    invariant(held.class !== LOCK_VMA, 'I11', 'vma_start_write: this CPU holds a VMA read lock');
  }
}

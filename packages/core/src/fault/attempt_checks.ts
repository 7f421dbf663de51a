/**
 * What must be true of the area from the start of an attempt at a fault to its end, as long as the attempt keeps its lock; only with
 * cpu.verify.
 * Next: fault/handle_mm_fault.ts
 */
import { invariant } from '../base/assert.ts';
import type { VmaId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, MODE_NONE } from '../locking/held_locks.ts';
import { atomic_read, READ_ONCE } from '../memory/atomic.ts';
import { mmLockSeqWord } from '../mm/mm_struct.ts';
import { holdsMmapLock } from '../mm/mmap_lock.ts';
import { vm_end, vm_mm, vm_start, vmLockSeqWord, vmRefcntWord } from '../mm/vm_area_struct.ts';
import { VMA_CACHE } from '../slab/caches.ts';
import { slotGeneration } from '../slab/kmem_cache.ts';
import { assert_fault_locked } from './fault_lock.ts';
import { type AttemptSeen, FAULT_FLAG_USER, FAULT_FLAG_VMA_LOCK, liveVma, type VmFault } from './vm_fault.ts';

/** @locks in: the fault lock */
export function beginAttempt(cpu: Cpu, vmf: VmFault): AttemptSeen {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  assert_fault_locked(cpu, vmf);
  checkCovers(cpu, vmf, vma);
  return { vma, mm: vm_mm(m, vma), generation: slotGeneration(m, VMA_CACHE, vma), stamp: READ_ONCE(cpu, vmLockSeqWord(m, vma)) };
}

/** @locks in: the fault lock, never dropped since beginAttempt() */
export function endAttempt(cpu: Cpu, vmf: VmFault, seen: AttemptSeen): void {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  assert_fault_locked(cpu, vmf);
  invariant(slotGeneration(m, VMA_CACHE, vma) === seen.generation, 'I22', 'the area was freed while a fault held its lock');
  checkCovers(cpu, vmf, vma);
  const stamp = READ_ONCE(cpu, vmLockSeqWord(m, vma));
  invariant(stamp === seen.stamp, 'I30', 'the area was write-locked while a fault held its lock');
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) return;
  const sequence = atomic_read(cpu, mmLockSeqWord(m, vm_mm(m, vma))); // Pairs with: vma_end_write_all().
  invariant(stamp !== sequence, 'I30', 'a fault ran under the VMA lock of an area that is write-locked');
}

/** I09: the attempt says that it has dropped its lock; has it? @locks in: not the fault lock */
export function endDropped(cpu: Cpu, vmf: VmFault, seen: AttemptSeen): void {
  const held =
    (vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0 ? heldMode(cpu, vmRefcntWord(cpu.memory, seen.vma)) !== MODE_NONE : holdsMmapLock(cpu, seen.mm);
  invariant(!held, 'I09', 'an attempt that has dropped its lock holds it');
}

/** I21: the area is the running address space's and contains the page. */
function checkCovers(cpu: Cpu, vmf: VmFault, vma: VmaId): void {
  const m = cpu.memory;
  invariant(vmf.vpn >= vm_start(m, vma) && vmf.vpn < vm_end(m, vma), 'I21', 'the area of a fault does not contain its page');
  invariant((vmf.flags & FAULT_FLAG_USER) === 0 || vm_mm(m, vma) === cpu.mm, 'I21', 'the area of a fault belongs to another address space');
}

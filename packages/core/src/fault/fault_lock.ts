/**
 * The lock that an attempt holds - the VMA read lock or mmap_lock for reading - and the one place that drops it.
 * @kernel include/linux/mm.h release_fault_lock(), assert_fault_locked(); mm/memory.c vmf_anon_prepare()
 * @fidelity faithful
 * Next: fault/handle_pte_fault.ts
 */
import { invariant } from '../base/assert.ts';
import { NO_ANON_VMA, NO_VMA } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode } from '../locking/held_locks.ts';
import { __anon_vma_prepare } from '../mm/anon_vma.ts';
import { holdsMmapLock, mmap_assert_locked, mmap_read_trylock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { vm_mm, vma_anon_vma, vmRefcntWord } from '../mm/vm_area_struct.ts';
import { vma_end_read } from '../mm/vma_lock.ts';
import { ANON_VMA_TRYLOCK_FAILED, count_vm_event } from '../trace/counters.ts';
import { at, BEFORE_ANON_VMA_TRYLOCK } from '../trace/points.ts';
import { FAULT_FLAG_VMA_LOCK, liveVma, VM_FAULT_OOM, VM_FAULT_RETRY, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** Drops the lock of this attempt. At most once; nothing of the area may be used afterwards. @locks in: the fault lock. out: nothing */
export function release_fault_lock(cpu: Cpu, vmf: VmFault): void {
  const vma = liveVma(vmf);
  const mm = vm_mm(cpu.memory, vma);
  vmf.vma = NO_VMA;
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0) vma_end_read(cpu, vma);
  else mmap_read_unlock(cpu, mm);
}

/** I09, I14: the attempt holds exactly the lock that its flags name. */
export function assert_fault_locked(cpu: Cpu, vmf: VmFault): void {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) {
    mmap_assert_locked(cpu, vm_mm(m, vma));
    return;
  }
  invariant(heldMode(cpu, vmRefcntWord(m, vma)) === 0, 'I09', 'the VMA read lock of this attempt is not held');
  invariant(!holdsMmapLock(cpu, vm_mm(m, vma)), 'I14', 'a VMA-lock attempt holds mmap_lock');
}

/**
 * Makes sure that the area has an anon_vma. Under the VMA lock that needs mmap_lock too, which may only be tried: to wait for it would
 * deadlock with a writer that waits for this very VMA lock.
 *
 *   this fault                                writer
 *   1 holds the VMA read lock
 *                                             2 takes mmap_lock for writing, waits for the VMA
 *   3 trylock fails   <- decides: drop the VMA lock and start over under mmap_lock
 *
 * @locks in: the fault lock. out: the same with 0 or OOM; nothing with RETRY. May sleep under mmap_lock.
 */
export function vmf_anon_prepare(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const result = __vmf_anon_prepare(cpu, vmf);
  if ((result & VM_FAULT_RETRY) !== 0) release_fault_lock(cpu, vmf);
  return result;
}

/** As vmf_anon_prepare(), but leaves the fault lock held even with RETRY, for a caller that goes on using the area. */
export function __vmf_anon_prepare(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const m = cpu.memory;
  const vma = liveVma(vmf);
  if (vma_anon_vma(m, vma) !== NO_ANON_VMA) return 0;
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0) return __anon_vma_prepare(cpu, vma) ? 0 : VM_FAULT_OOM;
  const mm = vm_mm(m, vma);
  at(cpu, BEFORE_ANON_VMA_TRYLOCK);
  if (!mmap_read_trylock(cpu, mm)) {
    count_vm_event(cpu, ANON_VMA_TRYLOCK_FAILED);
    return VM_FAULT_RETRY;
  }
  const prepared = __anon_vma_prepare(cpu, vma);
  mmap_read_unlock(cpu, mm);
  return prepared ? 0 : VM_FAULT_OOM;
}

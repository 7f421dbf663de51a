/**
 * The fault of a driver whose buffers a device writes to: no CPU may look before the device is done. It waits for the device in its own way, and
 * that is the point of it here: it drops mmap_lock by itself, which is right only because no driver without map_pages() is called under the VMA lock
 * (row 10).
 *
 *   attempt                   reservation busy, or the device not done
 *   first                     file kept, mmap_lock dropped, waits, RETRY: plain under every policy
 *   first, RETRY_NOWAIT       RETRY at once, lock held
 *   later                     waits with mmap_lock held; a signal ends the wait with NOPAGE, and the access comes again after it
 *
 * @kernel drivers/gpu/drm/ttm/ttm_bo_vm.c ttm_bo_vm_reserve(), ttm_bo_vm_fault_idle(), ttm_bo_vm_fault()
 * @fidelity reduced: a buffer's pages are always in memory, and are mapped and counted like pages of a file, not by frame number; no prefaulting
 * Next: mm/dma_fence.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { i_size_read } from '../mm/address_space.ts';
import { dma_fence_is_signaled, dma_fence_wait, dma_resv_lock_interruptible, dma_resv_trylock, dma_resv_unlock } from '../mm/dma_fence.ts';
import { filemapGetResident } from '../mm/filemap.ts';
import { NO_FOLIO } from '../mm/folio.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { vm_file } from '../mm/vm_area_struct.ts';
import { count_vm_event, DRIVER_FAULTS, DRIVER_FENCE_WAITS } from '../trace/counters.ts';
import { at, BEFORE_FENCE_WAIT } from '../trace/points.ts';
import { dropKeepingFile, putFpin } from './fault_lock.ts';
import { finish_fault } from './finish_fault.ts';
import {
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_VMA_LOCK,
  fault_flag_allow_retry_first,
  liveVma,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
  type VmFaultBits,
} from './vm_fault.ts';

/** Maps the page. @locks in: mmap read. out: as handle_mm_fault(). May sleep. Row 45 */
export function ttm_bo_vm_fault(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const file = vm_file(cpu.memory, liveVma(vmf));
  invariant((vmf.flags & FAULT_FLAG_VMA_LOCK) === 0, 'I14', 'a driver is asked for a page under the VMA lock');
  count_vm_event(cpu, DRIVER_FAULTS);
  const reserved = ttm_bo_vm_reserve(cpu, vmf, file);
  if (reserved !== 0) return reserved;
  const idle = ttm_bo_vm_fault_idle(cpu, vmf, file);
  const result = idle === 0 ? mapPage(cpu, vmf, file) : idle;
  dma_resv_unlock(cpu, file);
  putFpin(cpu, vmf);
  return result;
}

/** @returns 0 with the buffer reserved; RETRY, or NOPAGE, without */
function ttm_bo_vm_reserve(cpu: Cpu, vmf: VmFault, file: MappingId): VmFaultBits {
  if (dma_resv_trylock(cpu, file)) return 0;
  if (!fault_flag_allow_retry_first(vmf.flags)) return dma_resv_lock_interruptible(cpu, file) === 0 ? 0 : VM_FAULT_NOPAGE;
  if ((vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return VM_FAULT_RETRY;
  dropKeepingFile(cpu, vmf);
  if (dma_resv_lock_interruptible(cpu, file) === 0) dma_resv_unlock(cpu, file);
  putFpin(cpu, vmf);
  return VM_FAULT_RETRY;
}

/** Waits until the device is done. @locks in and out: the reservation. @returns 0, or what the fault ends with */
function ttm_bo_vm_fault_idle(cpu: Cpu, vmf: VmFault, file: MappingId): VmFaultBits {
  if (dma_fence_is_signaled(cpu, file)) return 0;
  const first = fault_flag_allow_retry_first(vmf.flags);
  if (first && (vmf.flags & FAULT_FLAG_RETRY_NOWAIT) !== 0) return VM_FAULT_RETRY;
  count_vm_event(cpu, DRIVER_FENCE_WAITS);
  if (first) dropKeepingFile(cpu, vmf);
  at(cpu, BEFORE_FENCE_WAIT);
  const waited = dma_fence_wait(cpu, file, true);
  if (first) return VM_FAULT_RETRY;
  return waited === 0 ? 0 : VM_FAULT_NOPAGE;
}

/** Maps the page itself, as drivers do: NOPAGE tells the core that nothing is left to do. @kernel ttm_bo_vm_fault_reserved() */
function mapPage(cpu: Cpu, vmf: VmFault, file: MappingId): VmFaultBits {
  if (vmf.pgoff >= i_size_read(cpu, file)) return VM_FAULT_SIGBUS;
  vmf.page = filemapGetResident(cpu, file, vmf.pgoff);
  if (vmf.page === NO_FOLIO) return VM_FAULT_OOM;
  const mapped = finish_fault(cpu, vmf);
  if (mapped !== 0) folio_put(cpu, vmf.page); // Somebody was faster, or there is no page table; else the reference is the entry's.
  return mapped === 0 ? VM_FAULT_NOPAGE : mapped;
}

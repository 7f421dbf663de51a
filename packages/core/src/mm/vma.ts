/**
 * Making, copying, linking, splitting and freeing areas.
 * @kernel mm/vma.c, mm/vma_init.c, kernel/fork.c vm_area_alloc(), vm_area_dup(), vm_area_free()
 * @fidelity reduced: no vm_ops callbacks, no uprobes, no policies
 * Next: mm/vma_merge.ts
 */
import { invariant } from '../base/assert.ts';
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_AVC, NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { call_rcu } from '../locking/rcu.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { MUTANT_B07, MUTANT_B14B } from '../mutants/ids.ts';
import { VMA_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { RCU_FREE_VMA } from '../slab/rcu_callbacks.ts';
import { count_vm_event, VMA_SPLIT } from '../trace/counters.ts';
import { i_mmap_lock_write, i_mmap_unlock_write } from './address_space.ts';
import { anon_vma_clone, anon_vma_lock_write, anon_vma_unlock_write } from './anon_vma.ts';
import { mas_destroy, mas_preallocate, mas_store_prealloc } from './maple_tree.ts';
import {
  data_vm,
  map_count,
  max_map_count,
  mmTree,
  set_data_vm,
  set_map_count,
  set_stack_vm,
  set_total_vm,
  stack_vm,
  total_vm,
} from './mm_struct.ts';
import {
  clearVma,
  set_vm_file,
  set_vm_mm,
  set_vm_private_data,
  set_vm_userfaultfd_ctx,
  set_vma_anon_vma,
  set_vma_avc_list,
  vm_end,
  vm_file,
  vm_flags,
  vm_flags_reset,
  vm_mm,
  vm_pgoff,
  vm_private_data,
  vm_start,
  vm_userfaultfd_ctx,
  vma_anon_vma,
  vma_set_range,
  vmaRcuHead,
  vmRefcntWord,
} from './vm_area_struct.ts';
import { VM_GROWSDOWN, VM_SHARED, VM_WRITE } from './vm_flags.ts';
import { __vma_link_file, vma_link_file } from './vma_file.ts';
import { vma_assert_write_locked, vma_lock_init, vma_mark_attached, vma_start_write } from './vma_lock.ts';

/** A slot for a new area of that address space, detached. NO_VMA when none is free. */
export function vm_area_alloc(cpu: Cpu, mm: MmId): VmaId {
  const vma = kmem_cache_alloc(cpu, VMA_CACHE) as VmaId;
  if (vma === NO_VMA) return NO_VMA;
  invariant(atomic_read(cpu, vmRefcntWord(cpu.memory, vma)) === 0, 'I04', 'vm_area_alloc: the count of a free area is not zero');
  clearVma(cpu.memory, vma);
  set_vm_mm(cpu.memory, vma, mm);
  vma_lock_init(cpu, vma);
  return vma;
}

/**
 * A detached copy of an area, in the same or another address space. Field by field: copying the count too would make a half-built area
 * look attached. The copy has no anon_vma links yet. @locks in: mmap_lock of the original
 */
export function vm_area_dup(cpu: Cpu, mm: MmId, original: VmaId): VmaId {
  const m = cpu.memory;
  const vma = vm_area_alloc(cpu, mm);
  if (vma === NO_VMA) return NO_VMA;
  vma_set_range(m, vma, vm_start(m, original), vm_end(m, original), vm_pgoff(m, original));
  vm_flags_reset(m, vma, vm_flags(m, original));
  set_vm_file(m, vma, vm_file(m, original));
  set_vm_userfaultfd_ctx(m, vma, vm_userfaultfd_ctx(m, original));
  set_vm_private_data(m, vma, vm_private_data(m, original));
  set_vma_anon_vma(m, vma, vma_anon_vma(m, original));
  set_vma_avc_list(m, vma, NO_AVC, NO_AVC);
  if (cpu.mutant === MUTANT_B14B) atomic_set(cpu, vmRefcntWord(m, vma), atomic_read(cpu, vmRefcntWord(m, original)));
  return vma;
}

/**
 * Gives a detached area back. With a reference count the slot is free at once; with a rwsem only after a grace period, because a reader may
 * still be releasing it.
 */
export function vm_area_free(cpu: Cpu, vma: VmaId): void {
  if (cpu.policy.vmaLock === 'rwsem') {
    call_rcu(cpu, vmaRcuHead(cpu.memory, vma), RCU_FREE_VMA, vma);
    return;
  }
  freeVmaSlot(cpu, vma);
}

/** The RCU callback, and the direct way. */
export function freeVmaSlot(cpu: Cpu, vma: number): void {
  invariant(atomic_read(cpu, vmRefcntWord(cpu.memory, vma as VmaId)) === 0, 'I04', 'vm_area_free: the area is not detached');
  kmem_cache_free(cpu, VMA_CACHE, vma);
}

/** Keeps the page counts of the address space. @locks in: mmap write */
export function vm_stat_account(cpu: Cpu, mm: MmId, flags: number, pages: number): void {
  const m = cpu.memory;
  set_total_vm(m, mm, total_vm(m, mm) + pages);
  if ((flags & VM_GROWSDOWN) !== 0) set_stack_vm(m, mm, stack_vm(m, mm) + pages);
  else if ((flags & (VM_WRITE | VM_SHARED)) === VM_WRITE) set_data_vm(m, mm, data_vm(m, mm) + pages);
}

/**
 * Stores a complete new area in the tree: from here on faults find it. @locks in: mmap write. @returns ENOMEM with nothing changed, or 0
 */
export function vma_link(cpu: Cpu, mm: MmId, vma: VmaId): number {
  const m = cpu.memory;
  if (!mas_preallocate(cpu, mmTree(m, mm), 1)) return ENOMEM;
  vma_start_write(cpu, vma); // Stamped before it is visible: no fault gets in before this section ends.
  vma_iter_store_new(cpu, mm, vma);
  mas_destroy(cpu);
  set_map_count(m, mm, map_count(m, mm) + 1);
  vma_link_file(cpu, vma);
  return 0;
}

/** Attaches and publishes in one step. Nodes are preallocated. @locks in: mmap write and VMA write @kernel vma_iter_store_new() */
export function vma_iter_store_new(cpu: Cpu, mm: MmId, vma: VmaId): void {
  const m = cpu.memory;
  vma_mark_attached(cpu, vma);
  mas_store_prealloc(cpu, mmTree(m, mm), vm_start(m, vma), vm_end(m, vma), vma);
}

/** The rmap locks of an area whose bounds change: nobody computes an address from half-changed bounds. */
export function lockRmap(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  if (vm_file(m, vma) !== NO_MAPPING) i_mmap_lock_write(cpu, vm_file(m, vma));
  if (vma_anon_vma(m, vma) !== NO_ANON_VMA) anon_vma_lock_write(cpu, vma_anon_vma(m, vma));
}

export function unlockRmap(cpu: Cpu, vma: VmaId): void {
  const m = cpu.memory;
  if (vma_anon_vma(m, vma) !== NO_ANON_VMA) anon_vma_unlock_write(cpu, vma_anon_vma(m, vma));
  if (vm_file(m, vma) !== NO_MAPPING) i_mmap_unlock_write(cpu, vm_file(m, vma));
}

/**
 * Cuts an area in two at `addr`; the new area is the lower or the upper part. Does not test the limit on areas. A walk through the file's areas finds
 * each page in one of the two, because the old area shrinks and the new one comes onto the list under one i_mmap lock:
 *
 *   splitting CPU                             moving CPU (walks the file's areas)
 *   1 the old area shrinks
 *                                             2 finds the page in no area: leaves its migration entry behind
 *   3 the new area comes onto the list        <- decides: both under the lock, and 2 is before or after
 *
 * @locks in: mmap write. out: VMA write on both. May sleep. @returns ENOMEM with nothing changed, or 0
 */
export function __split_vma(cpu: Cpu, vma: VmaId, addr: Vpn, newBelow: boolean): number {
  const m = cpu.memory;
  const mm = vm_mm(m, vma);
  const start = vm_start(m, vma);
  const end = vm_end(m, vma);
  const pgoff = vm_pgoff(m, vma);
  const fresh = vm_area_dup(cpu, mm, vma);
  if (fresh === NO_VMA) return ENOMEM;
  if (newBelow) vma_set_range(m, fresh, start, addr, pgoff);
  else vma_set_range(m, fresh, addr, end, pgoff + (addr - start));
  if (!mas_preallocate(cpu, mmTree(m, mm), 1)) {
    freeVmaSlot(cpu, fresh);
    return ENOMEM;
  }
  if (cpu.mutant !== MUTANT_B07) vma_start_write(cpu, vma); // Before the anon_vma is looked at: a fault could be adding one.
  vma_assert_write_locked(cpu, vma); // What is copied from here on may not change any more.
  set_vma_anon_vma(m, fresh, vma_anon_vma(m, vma));
  if (!anon_vma_clone(cpu, fresh, vma)) {
    mas_destroy(cpu);
    freeVmaSlot(cpu, fresh);
    return ENOMEM;
  }
  if (cpu.mutant === MUTANT_B07) vma_start_write(cpu, vma);
  vma_start_write(cpu, fresh);
  lockRmap(cpu, vma);
  if (newBelow) vma_set_range(m, vma, addr, end, pgoff + (addr - start));
  else vma_set_range(m, vma, start, addr, pgoff);
  __vma_link_file(cpu, fresh);
  unlockRmap(cpu, vma);
  vma_iter_store_new(cpu, mm, fresh);
  mas_destroy(cpu);
  set_map_count(m, mm, map_count(m, mm) + 1);
  count_vm_event(cpu, VMA_SPLIT);
  return 0;
}

/** As __split_vma(), unless the address space has as many areas as it may have: then ENOMEM. */
export function split_vma(cpu: Cpu, vma: VmaId, addr: Vpn, newBelow: boolean): number {
  const mm = vm_mm(cpu.memory, vma);
  if (map_count(cpu.memory, mm) >= max_map_count(cpu.memory, mm)) return ENOMEM;
  return __split_vma(cpu, vma, addr, newBelow);
}

/**
 * Unmapping in two halves: gather (split the ends, write-lock and detach what lies inside) under mmap_lock for writing; complete (zap,
 * free) when the tree no longer shows the areas, for munmap under the downgraded lock.
 *
 *   munmap                                    fault on a neighbour
 *   1 mmap write; splits, stamps, detaches
 *   2 clears the range in the tree
 *   3 downgrades to mmap read
 *   4 zaps, frees tables up to the            4 takes the VMA read lock of the neighbour, fills its page
 *     neighbours' bounds                        in a table that is kept  <- decides: floor and ceiling
 *
 * @kernel mm/vma.c vms_gather_munmap_vmas(), vms_complete_munmap_vmas(), do_vmi_align_munmap()
 * @fidelity faithful, without the side tree: the gathered areas are a list
 * Next: syscalls/munmap.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import { NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { MUTANT_B10, MUTANT_B44 } from '../mutants/ids.ts';
import { unlink_anon_vmas } from './anon_vma.ts';
import { mas_destroy, mas_find, mas_preallocate, mas_store_prealloc, mt_next, mt_prev } from './maple_tree.ts';
import { checkNothingMapped } from './mm_checks.ts';
import { locked_vm, map_count, max_map_count, mmTree, set_locked_vm, set_map_count } from './mm_struct.ts';
import { TASK_SIZE_VPN } from './mman.ts';
import { mmap_assert_write_locked, vma_end_write_all } from './mmap_lock.ts';
import { vm_end, vm_flags, vm_start, vma_pages } from './vm_area_struct.ts';
import { VM_LOCKED } from './vm_flags.ts';
import { __split_vma, vm_area_free, vm_stat_account } from './vma.ts';
import { unlink_file_vma } from './vma_file.ts';
import { vma_mark_attached, vma_mark_detached, vma_start_write } from './vma_lock.ts';
import { unmapRegion } from './zap.ts';

/** Areas taken out of service, in order, with the bounds of what lives around them. */
export interface GatheredVmas {
  readonly mm: MmId;
  readonly start: Vpn;
  readonly end: Vpn;
  readonly areas: VmaId[];
  /** End of the area below and start of the area above: page tables in between may go. */
  floor: number;
  ceiling: number;
}

export const nothingGathered = (mm: MmId, start: Vpn, end: Vpn): GatheredVmas => ({
  mm,
  start,
  end,
  areas: [],
  floor: 0,
  ceiling: TASK_SIZE_VPN,
});

/**
 * Splits the areas at the ends of [start, end), then write-locks and detaches every area inside. They are still in the tree.
 * @locks in: mmap write. May sleep. @returns the areas, or ENOMEM with the range as it was (perhaps split)
 */
export function vms_gather_munmap_vmas(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn): GatheredVmas | typeof ENOMEM {
  const m = cpu.memory;
  const tree = mmTree(m, mm);
  const gathered = nothingGathered(mm, start, end);
  const first = mas_find(cpu, tree, start);
  if (first === NO_VMA || vm_start(m, first) >= end) return gathered;
  if (start > vm_start(m, first)) {
    // A hole in the middle makes one more area than there were.
    if (end < vm_end(m, first) && map_count(m, mm) >= max_map_count(m, mm)) return ENOMEM;
    if (__split_vma(cpu, first, start, true) !== 0) return ENOMEM;
  }
  for (let vma = mas_find(cpu, tree, start); vma !== NO_VMA && vm_start(m, vma) < end; vma = mt_next(cpu, tree, vm_end(m, vma))) {
    if (vm_end(m, vma) > end && __split_vma(cpu, vma, end, false) !== 0) {
      reattach_vmas(cpu, gathered);
      return ENOMEM;
    }
    if (cpu.mutant !== MUTANT_B44) lockAndDetach(cpu, vma);
    gathered.areas.push(vma);
  }
  const below = mt_prev(cpu, tree, start);
  const above = mt_next(cpu, tree, end);
  gathered.floor = below === NO_VMA ? 0 : vm_end(m, below);
  gathered.ceiling = above === NO_VMA ? TASK_SIZE_VPN : vm_start(m, above);
  if (cpu.mutant === MUTANT_B44) freeTablesFirst(cpu, gathered);
  return gathered;
}

/** No fault gets in any more, and none is left. @locks in: mmap write. out: VMA write. May sleep */
function lockAndDetach(cpu: Cpu, vma: VmaId): void {
  vma_start_write(cpu, vma);
  vma_mark_detached(cpu, vma);
}

/** B44: the pages and their tables go while faults still find the areas and may lock them. */
function freeTablesFirst(cpu: Cpu, gathered: GatheredVmas): void {
  unmapRegion(cpu, gathered.mm, gathered.areas, gathered.floor, gathered.ceiling, () => {});
  for (const vma of gathered.areas) lockAndDetach(cpu, vma);
}

/** Undoes a gather: the areas are in the tree still. @locks in: mmap write */
export function reattach_vmas(cpu: Cpu, gathered: GatheredVmas): void {
  for (const vma of gathered.areas) vma_mark_attached(cpu, vma);
}

/** Takes the gathered areas out of the tree. @locks in: mmap write. @returns ENOMEM with nothing changed, or 0 */
export function clearGatheredRange(cpu: Cpu, gathered: GatheredVmas): number {
  mmap_assert_write_locked(cpu, gathered.mm);
  const tree = mmTree(cpu.memory, gathered.mm);
  if (!mas_preallocate(cpu, tree, 1)) return ENOMEM;
  mas_store_prealloc(cpu, tree, gathered.start, gathered.end, NO_VMA);
  mas_destroy(cpu);
  if (cpu.mutant === MUTANT_B10) vma_end_write_all(cpu, gathered.mm);
  return 0;
}

/** Takes the gathered areas out of the books. @locks in: mmap write */
export function accountGathered(cpu: Cpu, gathered: GatheredVmas): void {
  const m = cpu.memory;
  const mm = gathered.mm;
  for (const vma of gathered.areas) {
    const pages = vma_pages(m, vma);
    vm_stat_account(cpu, mm, vm_flags(m, vma), -pages);
    if ((vm_flags(m, vma) & VM_LOCKED) !== 0) set_locked_vm(m, mm, locked_vm(m, mm) - pages);
  }
  set_map_count(m, mm, map_count(m, mm) - gathered.areas.length);
}

/** Zaps the pages and frees the page tables. @locks in: mmap_lock, either way; no lookup reaches the areas any more */
export function vms_clear_ptes(cpu: Cpu, gathered: GatheredVmas): void {
  unmapRegion(cpu, gathered.mm, gathered.areas, gathered.floor, gathered.ceiling, (vma) => {
    unlink_file_vma(cpu, vma);
    unlink_anon_vmas(cpu, vma);
  });
  if (cpu.verify) checkNothingMapped(cpu, gathered.mm, gathered.areas);
}

/** Gives the areas back. @locks in: mmap_lock, either way */
export function freeGathered(cpu: Cpu, gathered: GatheredVmas): void {
  for (const vma of gathered.areas) vm_area_free(cpu, vma);
  gathered.areas.length = 0;
}

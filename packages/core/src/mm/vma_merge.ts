/**
 * Merging: two neighbours that differ in nothing but their bounds become one area.
 * @kernel mm/vma.c vma_merge_existing_range(), vma_merge_new_range(), vma_modify(), vma_expand()
 * @fidelity reduced: no policies, names or close callbacks to compare
 * Next: mm/vma_unmap.ts
 */
import type { MappingId, UffdId, VmaId, Vpn } from '../base/brand.ts';
import { NO_ANON_VMA, NO_MAPPING, NO_VMA } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { MUTANT_B09 } from '../mutants/ids.ts';
import { count_vm_event, VMA_EXPANDED, VMA_MERGED } from '../trace/counters.ts';
import { anon_vma_clone, chainIsSingular, unlink_anon_vmas } from './anon_vma.ts';
import { fput } from './fput.ts';
import { mas_destroy, mas_preallocate, mas_store_prealloc } from './maple_tree.ts';
import { map_count, mmTree, set_map_count } from './mm_struct.ts';
import {
  set_vma_anon_vma,
  vm_end,
  vm_file,
  vm_flags,
  vm_flags_reset,
  vm_mm,
  vm_pgoff,
  vm_start,
  vm_userfaultfd_ctx,
  vma_anon_vma,
  vma_pages,
  vma_set_range,
} from './vm_area_struct.ts';
import { VM_SPECIAL } from './vm_flags.ts';
import { lockRmap, split_vma, unlockRmap, vm_area_free } from './vma.ts';
import { __remove_shared_vm_struct } from './vma_file.ts';
import { vma_mark_detached, vma_start_write } from './vma_lock.ts';

/** What an area would be, for comparison with a neighbour. */
export interface MergeWish {
  readonly start: Vpn;
  readonly end: Vpn;
  readonly flags: number;
  readonly file: MappingId;
  readonly pgoff: number;
  /** The userfaultfd context that it is to be registered with, or NO_UFFD. */
  readonly uffd: UffdId;
  /** The area whose pages come along: the one that changes, or the one that is copied from. NO_VMA for a new mapping. */
  readonly source: VmaId;
}

/** Its own pages only, or none: an area whose chain has more than one link shares pages with relatives. @kernel vma_is_fork_child() */
const isForkChild = (m: SharedMemory, vma: VmaId): boolean =>
  vma !== NO_VMA && vma_anon_vma(m, vma) !== NO_ANON_VMA && !chainIsSingular(m, vma);

/** Can the pages of the source live with the anon_vma of the neighbour? */
function is_mergeable_anon_vma(m: SharedMemory, neighbour: VmaId, source: VmaId): boolean {
  const target = vma_anon_vma(m, neighbour);
  const from = source === NO_VMA ? NO_ANON_VMA : vma_anon_vma(m, source);
  if (target === NO_ANON_VMA && from !== NO_ANON_VMA) return !isForkChild(m, source);
  if (target !== NO_ANON_VMA && from === NO_ANON_VMA) return !isForkChild(m, neighbour);
  return target === from;
}

function is_mergeable_vma(m: SharedMemory, neighbour: VmaId, wish: MergeWish): boolean {
  return (
    (wish.flags & VM_SPECIAL) === 0 &&
    vm_flags(m, neighbour) === wish.flags &&
    vm_file(m, neighbour) === wish.file &&
    vm_userfaultfd_ctx(m, neighbour) === wish.uffd && // @kernel is_mergeable_vm_userfaultfd_ctx()
    is_mergeable_anon_vma(m, neighbour, wish.source)
  );
}

/** Can the wish be appended to the area that ends where it starts? */
const can_vma_merge_after = (m: SharedMemory, prev: VmaId, wish: MergeWish): boolean =>
  prev !== NO_VMA &&
  vm_end(m, prev) === wish.start &&
  is_mergeable_vma(m, prev, wish) &&
  vm_pgoff(m, prev) + vma_pages(m, prev) === wish.pgoff;

/** Can the wish be prepended to the area that starts where it ends? */
const can_vma_merge_before = (m: SharedMemory, next: VmaId, wish: MergeWish): boolean =>
  next !== NO_VMA &&
  vm_start(m, next) === wish.end &&
  is_mergeable_vma(m, next, wish) &&
  vm_pgoff(m, next) === wish.pgoff + (wish.end - wish.start);

/** May both neighbours become one area, given that each may take the wish? */
const neighboursCompatible = (m: SharedMemory, prev: VmaId, next: VmaId): boolean =>
  vma_anon_vma(m, prev) === NO_ANON_VMA || vma_anon_vma(m, next) === NO_ANON_VMA || vma_anon_vma(m, prev) === vma_anon_vma(m, next);

interface Growth {
  /** The area that grows, and its new bounds. */
  readonly target: VmaId;
  readonly start: Vpn;
  readonly end: Vpn;
  readonly pgoff: number;
  /** Areas that it swallows. */
  readonly removed: readonly VmaId[];
  /** An area that it takes pages from at one side; the rest keeps [start, end). */
  readonly shrunk: { readonly vma: VmaId; readonly start: Vpn; readonly end: Vpn; readonly pgoff: number } | null;
  /** Area whose anon_vma the target takes over if it has none. */
  readonly anonFrom: VmaId;
}

/**
 * Carries out a growth: every area involved is write-locked first, then the anon_vma is shared, then the bounds move and one store in the
 * tree shows it. What is swallowed leaves the file's list under the same i_mmap lock under which the target grows, as in __split_vma(). @locks in: mmap write. May sleep. @returns whether there was memory for it; nothing is changed otherwise
 */
function commit_merge(cpu: Cpu, growth: Growth): boolean {
  const m = cpu.memory;
  const { target, removed, shrunk, anonFrom } = growth;
  const mm = vm_mm(m, target);
  vma_start_write(cpu, target);
  for (const vma of removed) vma_start_write(cpu, vma);
  if (shrunk !== null) vma_start_write(cpu, shrunk.vma);
  // The links first: a caller that has reserved nodes keeps them when this fails. A target with more links than it needs does no harm.
  if (!dup_anon_vma(cpu, target, anonFrom)) return false;
  if (!mas_preallocate(cpu, mmTree(m, mm), 1)) return false;
  lockRmap(cpu, target);
  for (const vma of removed) __remove_shared_vm_struct(cpu, vma);
  vma_set_range(m, target, growth.start, growth.end, growth.pgoff);
  if (shrunk !== null) vma_set_range(m, shrunk.vma, shrunk.start, shrunk.end, shrunk.pgoff);
  unlockRmap(cpu, target);
  mas_store_prealloc(cpu, mmTree(m, mm), growth.start, growth.end, target);
  mas_destroy(cpu);
  for (const vma of removed) {
    vma_mark_detached(cpu, vma);
    unlink_anon_vmas(cpu, vma);
    if (vm_file(m, vma) !== NO_MAPPING) fput(cpu, vm_file(m, vma)); // Not the last one: the target has its own.
    vm_area_free(cpu, vma);
    count_vm_event(cpu, VMA_MERGED);
  }
  set_map_count(m, mm, map_count(m, mm) - removed.length);
  count_vm_event(cpu, VMA_EXPANDED);
  return true;
}

/** @locks in: VMA write on both */
function dup_anon_vma(cpu: Cpu, target: VmaId, from: VmaId): boolean {
  const m = cpu.memory;
  if (from === NO_VMA || vma_anon_vma(m, from) === NO_ANON_VMA || vma_anon_vma(m, target) !== NO_ANON_VMA) return true;
  set_vma_anon_vma(m, target, vma_anon_vma(m, from));
  return anon_vma_clone(cpu, target, from);
}

/** Which of two areas brings the anon_vma along. */
const withAnon = (m: SharedMemory, first: VmaId, second: VmaId): VmaId => (vma_anon_vma(m, first) !== NO_ANON_VMA ? first : second);

/**
 * Tries to give the part [start, end) of an area, which is about to get new flags, to a neighbour that has those flags already.
 * @locks in: mmap write. @returns the area that covers the part afterwards, or NO_VMA when nothing was merged
 * @kernel vma_merge_existing_range()
 */
export function vma_merge_existing_range(cpu: Cpu, prev: VmaId, middle: VmaId, next: VmaId, wish: MergeWish): VmaId {
  const m = cpu.memory;
  const start = vm_start(m, middle);
  const end = vm_end(m, middle);
  const atLeft = start === wish.start;
  const atRight = end === wish.end;
  const left = atLeft && can_vma_merge_after(m, prev, wish);
  const right = atRight && can_vma_merge_before(m, next, wish);
  if (!left && !right) return NO_VMA;
  if (left && right && neighboursCompatible(m, prev, next)) {
    const anonFrom = withAnon(m, next, middle);
    const growth = {
      target: prev,
      start: vm_start(m, prev),
      end: vm_end(m, next),
      pgoff: vm_pgoff(m, prev),
      removed: [middle, next],
      shrunk: null,
      anonFrom,
    };
    return commit_merge(cpu, growth) ? prev : NO_VMA;
  }
  if (left) {
    const shrunk = atRight ? null : { vma: middle, start: wish.end, end, pgoff: vm_pgoff(m, middle) + (wish.end - start) };
    const removed = atRight ? [middle] : [];
    const growth = { target: prev, start: vm_start(m, prev), end: wish.end, pgoff: vm_pgoff(m, prev), removed, shrunk, anonFrom: middle };
    return commit_merge(cpu, growth) ? prev : NO_VMA;
  }
  const shrunk = atLeft ? null : { vma: middle, start, end: wish.start, pgoff: vm_pgoff(m, middle) };
  const removed = atLeft ? [middle] : [];
  const growth = { target: next, start: wish.start, end: vm_end(m, next), pgoff: wish.pgoff, removed, shrunk, anonFrom: middle };
  return commit_merge(cpu, growth) ? next : NO_VMA;
}

/**
 * Tries to extend a neighbour over a range that is empty in the tree, or about to be replaced.
 * @locks in: mmap write. @returns the area that covers the range afterwards, or NO_VMA
 */
export function vma_merge_new_range(cpu: Cpu, prev: VmaId, next: VmaId, wish: MergeWish): VmaId {
  const m = cpu.memory;
  const left = can_vma_merge_after(m, prev, wish);
  const right = can_vma_merge_before(m, next, wish);
  if (!left && !right) return NO_VMA;
  if (left && right && neighboursCompatible(m, prev, next)) {
    const growth = {
      target: prev,
      start: vm_start(m, prev),
      end: vm_end(m, next),
      pgoff: vm_pgoff(m, prev),
      removed: [next],
      shrunk: null,
      anonFrom: withAnon(m, next, wish.source),
    };
    return commit_merge(cpu, growth) ? prev : NO_VMA;
  }
  const target = left ? prev : next;
  const growth = {
    target,
    start: left ? vm_start(m, prev) : wish.start,
    end: left ? wish.end : vm_end(m, next),
    pgoff: left ? vm_pgoff(m, prev) : wish.pgoff,
    removed: [],
    shrunk: null,
    anonFrom: wish.source,
  };
  return commit_merge(cpu, growth) ? target : NO_VMA;
}

/**
 * Prepares [start, end) of an area for new flags: merges it into a neighbour that has them, or splits it out.
 * @param uffd the userfaultfd context that the range will be registered with
 * @locks in: mmap write. May sleep. @returns the area that is exactly the range or contains it with those flags; or ENOMEM
 * @kernel vma_modify(), vma_modify_flags_uffd()
 */
export function vma_modify(
  cpu: Cpu,
  prev: VmaId,
  vma: VmaId,
  next: VmaId,
  start: Vpn,
  end: Vpn,
  flags: number,
  uffd: UffdId = vm_userfaultfd_ctx(cpu.memory, vma),
): VmaId | typeof ENOMEM {
  const m = cpu.memory;
  const pgoff = vm_pgoff(m, vma) + (start - vm_start(m, vma));
  const wish: MergeWish = { start, end, flags, file: vm_file(m, vma), pgoff, uffd, source: vma };
  const merged = vma_merge_existing_range(cpu, prev, vma, next, wish);
  if (merged !== NO_VMA) return merged;
  if (vm_start(m, vma) < start && split_vma(cpu, vma, start, true) !== 0) return ENOMEM;
  if (vm_end(m, vma) > end && split_vma(cpu, vma, end, false) !== 0) return ENOMEM;
  return vma;
}

/** As vma_modify(), and sets the flags. @locks in: mmap write. out: VMA write on the result */
export function vma_modify_flags(
  cpu: Cpu,
  prev: VmaId,
  vma: VmaId,
  next: VmaId,
  start: Vpn,
  end: Vpn,
  flags: number,
): VmaId | typeof ENOMEM {
  const changed = vma_modify(cpu, prev, vma, next, start, end, flags);
  if (changed === ENOMEM) return ENOMEM;
  if (cpu.mutant !== MUTANT_B09) vma_start_write(cpu, changed);
  vm_flags_reset(cpu.memory, changed, flags);
  return changed;
}

/** Extends an area upwards into free space. @locks in: mmap write. @returns whether there was memory for it */
export function vma_expand(cpu: Cpu, vma: VmaId, end: Vpn): boolean {
  const m = cpu.memory;
  return commit_merge(cpu, {
    target: vma,
    start: vm_start(m, vma),
    end,
    pgoff: vm_pgoff(m, vma),
    removed: [],
    shrunk: null,
    anonFrom: NO_VMA,
  });
}

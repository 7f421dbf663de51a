/**
 * The list of slot pools: one for each type of record, over slots that the layout set aside.
 * @kernel kernel/fork.c mm_cachep and vm_area_cachep, lib/maple_tree.c maple_node_cache, mm/rmap.c anon_vma_cachep, lib/xarray.c
 * @fidelity reduced: one fixed pool per type, sized at boot
 * Next: slab/kmem_cache.ts
 */
import { assert } from '../base/assert.ts';
import type { Brand } from '../base/brand.ts';
import { CACHES_MAX, type Layout, layoutOf, RECORD_WORDS } from '../memory/layout.ts';
import type { MachineSize } from '../memory/limits.ts';

/** Number of a pool: its position in CACHES. */
export type CacheId = Brand<number, 'CacheId'>;

interface CacheSpec {
  /** As in /proc/slabinfo. */
  readonly name: string;
  /** How many slots a machine of that layout has. */
  readonly slots: (layout: Layout) => number;
}

const spec = (name: string, slots: (layout: Layout) => number): CacheSpec => ({ name, slots });

/** In the order in which their slots lie in the arena. */
const CACHES: readonly CacheSpec[] = [
  spec('mm_struct', ({ size }) => size.mms),
  spec('vm_area_struct', ({ size }) => size.vmas),
  spec('maple_node', ({ nodes }) => nodes),
  spec('page_table', ({ size }) => size.tables),
  spec('anon_vma', ({ size }) => size.anonVmas),
  spec('anon_vma_chain', ({ size }) => size.avcs),
  spec('address_space', ({ size }) => size.mappings),
  spec('radix_tree_node', ({ size }) => size.xaNodes),
  spec('userfaultfd_ctx_cache', ({ size }) => size.userfaultfds),
];
assert(CACHES.length <= CACHES_MAX, 'caches: more pools than the layout has records for');

/** The pools' names, by their numbers. */
export const CACHE_NAMES: readonly string[] = CACHES.map(({ name }) => name);

const find = (name: string): CacheId => CACHES.findIndex((cache) => cache.name === name) as CacheId;

export const MM_CACHE: CacheId = find('mm_struct');
export const VMA_CACHE: CacheId = find('vm_area_struct');
export const NODE_CACHE: CacheId = find('maple_node');
export const TABLE_CACHE: CacheId = find('page_table');
export const ANON_VMA_CACHE: CacheId = find('anon_vma');
export const AVC_CACHE: CacheId = find('anon_vma_chain');
export const MAPPING_CACHE: CacheId = find('address_space');
export const XA_NODE_CACHE: CacheId = find('radix_tree_node');
export const UFFD_CACHE: CacheId = find('userfaultfd_ctx_cache');

/** A pool of a machine of one size. */
export interface CachePlace {
  readonly cache: CacheId;
  readonly name: string;
  /** First of the words of slot 0, which means "none" and is never handed out. */
  readonly firstWord: number;
  /** Slots 1 .. slots can be handed out. */
  readonly slots: number;
}

/** Where the slots of every pool lie in the arena. */
export function cachePlaces(size: MachineSize): readonly CachePlace[] {
  const layout = layoutOf(size);
  const { base, words } = layout.regions.slots;
  let next = base;
  const places = CACHES.map(({ name, slots }, index) => {
    const place: CachePlace = { cache: index as CacheId, name, firstWord: next, slots: slots(layout) };
    next += place.slots === 0 ? 0 : (place.slots + 1) * RECORD_WORDS.slot;
    return place;
  });
  assert(next === base + words, 'caches: the pools and the layout disagree about the number of slots');
  return places;
}

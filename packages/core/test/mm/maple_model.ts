/** What the tests of the tree have in common: a machine with nothing but trees, and a sorted list that says what a tree should hold. */
import type { CpuId, VmaId, Vpn, Word } from '@faultlab/core/base/brand';
import { Cpu, type CpuOptions } from '@faultlab/core/cpu';
import { rcuPending } from '@faultlab/core/locking/rcu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import {
  mas_destroy,
  mas_preallocate,
  mas_store_prealloc,
  mt_count,
  mt_for_each,
  mt_free_rcu,
  mt_nodes,
  mt_validate,
} from '@faultlab/core/mm/maple_tree';
import { NODE_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_in_use, kmem_cache_init } from '@faultlab/core/slab/kmem_cache';
import { assert } from '@faultlab/test-support';

export interface Area {
  readonly start: number;
  readonly end: number;
  readonly vma: number;
}

/** A machine for trees of up to `vmas` areas. */
export function bootForTrees(vmas: number, cpus = 2): SharedMemory {
  const memory = createMemory({ ...LOCKS_ONLY_SIZE, cpus, mms: 1, vmas, userWords: 256 });
  kmem_cache_init(memory);
  return memory;
}

export function treeCpu(memory: SharedMemory, id: number, options: Partial<CpuOptions> = {}): Cpu {
  return new Cpu({ id: id as CpuId, memory, now: () => performance.now(), rcuCallbacks: [mt_free_rcu], verify: true, ...options });
}

/** The tree word that the tests use. */
export const treeOf = (memory: SharedMemory): Word => memory.userAt as Word;

/** One store with its nodes, as a caller does it. */
export function store(cpu: Cpu, { start, end, vma }: Area): void {
  assert.ok(mas_preallocate(cpu, treeOf(cpu.memory), 1));
  mas_store_prealloc(cpu, treeOf(cpu.memory), start as Vpn, end as Vpn, vma as VmaId);
  mas_destroy(cpu);
}

/** The list after the same store. */
export function modelStore(areas: readonly Area[], { start, end, vma }: Area): Area[] {
  const before = areas.filter((area) => area.start < start).map((area) => ({ ...area, end: Math.min(area.end, start) }));
  const after = areas.filter((area) => area.end > end).map((area) => ({ ...area, start: Math.max(area.start, end) }));
  return [...before, ...(vma === 0 ? [] : [{ start, end, vma }]), ...after];
}

/** Everything in the tree, in order. */
export function areasIn(cpu: Cpu): Area[] {
  const areas: Area[] = [];
  const visit = (vma: number, start: number, end: number): void => void areas.push({ start, end, vma });
  mt_for_each(cpu, treeOf(cpu.memory), 0 as Vpn, 0x7fffffff as Vpn, visit);
  return areas;
}

/** The tree is well formed, holds exactly the model, and every node is accounted for. */
export function checkTree(cpu: Cpu, model: readonly Area[]): void {
  const tree = treeOf(cpu.memory);
  assert.equal(mt_validate(cpu, tree), []);
  assert.equal(areasIn(cpu), model);
  assert.is(mt_count(cpu, tree), model.length);
  const nodes = mt_nodes(cpu, tree) + rcuPending(cpu) + cpu.nodeReserve.nodes.length;
  assert.is(kmem_cache_in_use(cpu.memory, NODE_CACHE), nodes, 'nodes of the tree, waiting ones and reserved ones are all there are');
}

/** `count` areas of ten pages, each followed by a hole of ten. */
export function spaced(count: number): Area[] {
  return Array.from({ length: count }, (_, i) => ({ start: i * 20, end: i * 20 + 10, vma: i + 1 }));
}

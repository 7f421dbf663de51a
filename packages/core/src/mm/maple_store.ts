/**
 * Stores into the tree of areas: a range gets an area, or becomes a hole, and whatever lay there is cut or removed.
 * This file has the usual case, in which one leaf changes: a copy of it with the change, published by one store.
 * What takes more than one leaf, or leaves one too full or too empty, goes to mm/maple_rebuild.ts.
 * @kernel lib/maple_tree.c mas_preallocate(), mas_store_prealloc(), mas_wr_node_store(), mas_destroy(), __mt_destroy()
 * @fidelity reduced: always copies the leaf, where the kernel sometimes overwrites a slot; preallocates for the worst case of any store
 * Next: mm/maple_rebuild.ts
 */
import { assert } from '../base/assert.ts';
import { NO_VMA, type NodeId, type VmaId, type Vpn, type Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { call_rcu, rcu_barrier, rcuPending } from '../locking/rcu.ts';
import { atomic_read } from '../memory/atomic.ts';
import { NODE_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc_bulk, kmem_cache_free_bulk } from '../slab/kmem_cache.ts';
import { RCU_FREE_MAPLE_NODE } from '../slab/rcu_callbacks.ts';
import {
  CAPACITY,
  copyEntries,
  countIn,
  endIn,
  FEWEST,
  finishNode,
  leafGap,
  MT_MAX,
  mt_free_one,
  nodeAt,
  nodeBase,
  rcuHeadWord,
  rootHeight,
  rootNode,
  rootOf,
  setEntry,
  slotIn,
  startIn,
  takeNode,
} from './maple_node.ts';
import { baseOn, linkTo, lowerBound, type MaplePath, onLeftEdge, pathTo, publish, updateGaps, upperBound } from './maple_path.ts';
import { mas_rebuild } from './maple_rebuild.ts';

// --- nodes in reserve -----------------------------------------------------------------------------------------------------------------

/** A store builds at most three nodes on each level; that allows for the new root of a tree that grows (mm/maple_rebuild.ts). */
const NODES_PER_LEVEL = 3;
/** A tree of this height has 2 * FEWEST ** 5 leaves at least, which is more than the largest machine has nodes. */
const HEIGHT_MAX = 7;
/** Stores that it takes at least to fill a root that has just been made, since each adds two children to it at the most. */
const STORES_PER_LEVEL: number = (CAPACITY - 3) >> 1;

/** Nodes that so many stores into a tree of that height take at the most. */
function nodesFor(height: number, stores: number): number {
  const now = Math.max(height, 1);
  const grown = stores === 1 ? now : now + 1 + Math.floor(stores / STORES_PER_LEVEL);
  return stores * NODES_PER_LEVEL * Math.min(grown, HEIGHT_MAX);
}

/**
 * Sets nodes aside on this CPU, so that so many stores into this tree cannot fail. Reservations add up until mas_destroy().
 * When the nodes have run out, but some of this CPU's wait for a grace period, it waits for that.
 * @locks in: mmap_lock for writing; no spinlock, no RCU read section. May sleep.
 * @returns whether they were there; if not (ENOMEM), nothing has changed
 */
export function mas_preallocate(cpu: Cpu, tree: Word, stores: number): boolean {
  const reserve = cpu.nodeReserve;
  const wanted = nodesFor(rootHeight(atomic_read(cpu, tree)), stores); // Alone: mmap_lock keeps the word still.
  const missing = reserve.promised + wanted - reserve.nodes.length;
  if (missing > 0 && !allocNodes(cpu, missing, reserve.nodes)) return false;
  reserve.promised += wanted;
  return true;
}

function allocNodes(cpu: Cpu, count: number, out: number[]): boolean {
  if (kmem_cache_alloc_bulk(cpu, NODE_CACHE, count, out)) return true;
  if (rcuPending(cpu) === 0) return false;
  rcu_barrier(cpu);
  return kmem_cache_alloc_bulk(cpu, NODE_CACHE, count, out);
}

/** Gives back what the stores did not need. */
export function mas_destroy(cpu: Cpu): void {
  const reserve = cpu.nodeReserve;
  reserve.promised = 0;
  if (reserve.nodes.length === 0) return;
  kmem_cache_free_bulk(cpu, NODE_CACHE, reserve.nodes);
  reserve.nodes.length = 0;
}

// --- the store ------------------------------------------------------------------------------------------------------------------------

/**
 * Makes [start, end) belong to an area, or to nobody (NO_VMA), for every later lookup. Entries that overlap the range are cut or removed.
 * A concurrent lockless reader sees all of it or nothing. Cannot fail after mas_preallocate().
 * @locks in: mmap_lock for writing. Never sleeps.
 */
export function mas_store_prealloc(cpu: Cpu, tree: Word, start: Vpn, end: Vpn, vma: VmaId | typeof NO_VMA): void {
  assert(start >= 0 && start < end && end <= MT_MAX, 'mas_store_prealloc: the range is empty or outside the address space');
  const root = atomic_read(cpu, tree); // Alone: mmap_lock keeps the word still.
  const { nodeReserve } = cpu;
  nodeReserve.promised = Math.max(0, nodeReserve.promised - NODES_PER_LEVEL * Math.max(rootHeight(root), 1));
  if (root === 0) {
    if (vma !== NO_VMA) storeFirst(cpu, tree, start, end, vma);
    return;
  }
  const path = pathTo(cpu, root, start);
  if (end <= upperBound(cpu, path, 1) && storeInLeaf(cpu, tree, path, start, end, vma)) return;
  const replaced = mas_rebuild(cpu, tree, root, { start, end, vma });
  for (const base of replaced) freeAfterReaders(cpu, base);
}

function storeFirst(cpu: Cpu, tree: Word, start: number, end: number, vma: VmaId): void {
  const base = takeNode(cpu);
  setEntry(cpu.words, base, 0, start, vma, end);
  finishNode(cpu.words, base, 1, 1);
  publish(cpu, tree, rootOf(nodeAt(cpu.memory, base), 1));
}

function freeAfterReaders(cpu: Cpu, base: number): void {
  call_rcu(cpu, rcuHeadWord(base), RCU_FREE_MAPLE_NODE, nodeAt(cpu.memory, base));
}

/** @returns false, with nothing changed, when this is not a matter of one leaf */
function storeInLeaf(cpu: Cpu, tree: Word, path: MaplePath, start: number, end: number, vma: number): boolean {
  const { words } = cpu;
  const old = baseOn(path, 1);
  const oldCount = countIn(words, old);
  // Entries [first, next) overlap the range; the outer two of them may stick out of it.
  let first = path.positions[1] as number;
  if (endIn(words, old, first) <= start) first++;
  let next = first;
  while (next < oldCount && startIn(words, old, next) < end) next++;
  if (vma === NO_VMA && first === next) return true; // A hole already.
  const leftOver = first < next && startIn(words, old, first) < start ? 1 : 0;
  const rightOver = first < next && endIn(words, old, next - 1) > end ? 1 : 0;
  const middle = first + leftOver + (vma === NO_VMA ? 0 : 1);
  const kept = middle + rightOver;
  const count = kept + oldCount - next;
  if (count > CAPACITY || count < (path.height === 1 ? 1 : FEWEST)) return false;
  const newFirst =
    first > 0 || leftOver === 1 ? startIn(words, old, 0) : middle > 0 ? start : rightOver === 1 ? end : startIn(words, old, next);
  if (newFirst !== startIn(words, old, 0) && !onLeftEdge(path, 1)) return false;

  const base = takeNode(cpu);
  copyEntries(words, { base: old, position: 0 }, { base, position: 0 }, first);
  if (leftOver === 1) setEntry(words, base, first, startIn(words, old, first), slotIn(words, old, first), start);
  if (vma !== NO_VMA) setEntry(words, base, first + leftOver, start, vma, end);
  if (rightOver === 1) setEntry(words, base, middle, end, slotIn(words, old, next - 1), endIn(words, old, next - 1));
  copyEntries(words, { base: old, position: next }, { base, position: kept }, oldCount - next);
  finishNode(words, base, 1, count);

  const node = nodeAt(cpu.memory, base);
  publish(cpu, linkTo(path, tree, 1), path.height === 1 ? rootOf(node, 1) : node);
  if (path.height > 1) updateGaps(cpu, path, 1, leafGap(words, base, lowerBound(cpu, path, 1), upperBound(cpu, path, 1)));
  freeAfterReaders(cpu, old);
  return true;
}

/**
 * Empties the tree and frees its nodes at once.
 * @locks in: nobody else can be looking: the address space has no users left (or the tree was never published). Never sleeps.
 */
export function __mt_destroy(cpu: Cpu, tree: Word): void {
  const root = atomic_read(cpu, tree); // Alone: see the contract.
  publish(cpu, tree, 0);
  if (root !== 0) freeBelow(cpu, rootNode(root) as NodeId, rootHeight(root));
}

function freeBelow(cpu: Cpu, node: NodeId, level: number): void {
  const base = nodeBase(cpu.memory, node);
  const count = level === 1 ? 0 : countIn(cpu.words, base);
  for (let position = 0; position < count; position++) freeBelow(cpu, slotIn(cpu.words, base, position) as NodeId, level - 1);
  mt_free_one(cpu, node);
}

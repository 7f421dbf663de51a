/**
 * One node of the tree of areas: up to CAPACITY entries, sorted. Built in private, published by one store, and never changed afterwards,
 * but for the words of an inner node that say which child and how large its largest hole.
 *
 *   word 0      entries in use
 *   word 1, 2   the node's place in the list of what waits for a grace period
 *   word 3      level: 1 for a leaf
 *   starts      leaf: first page of each area.   inner: lower bound of each child.   Unused ones hold MT_MAX.
 *   slots       leaf: the areas.                 inner: the children, each replaced by one atomic store
 *   extras      leaf: first page after each area. inner: the largest hole under each child (writers only)
 *
 * @kernel lib/maple_tree.c, include/linux/maple_tree.h struct maple_arange_64
 * @fidelity reduced: explicit ranges in leaves instead of pivots with empty slots; one node shape; no parent pointers, no dead marks
 * Next: mm/maple_walk.ts finds things in it
 */
import { assert, invariant } from '../base/assert.ts';
import type { NodeId, VmaId, Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import type { SharedWords } from '../memory/shared_words.ts';
import { NODE_CACHE } from '../slab/caches.ts';
import { kmem_cache_free, slotGeneration } from '../slab/kmem_cache.ts';

/** No page has this number or a larger one: ranges end here at the latest. */
export const MT_MAX: Vpn = 0x7fffffff as Vpn;

/** Most entries of a node. The search below is written for exactly this many. */
export const CAPACITY = 32;
/** Fewest entries of a node, unless it is the root: fewer, and it is joined with a neighbour. */
export const FEWEST = 10;

const NODE_WORDS = RECORD_WORDS.node;
const COUNT = 0;
const RCU_HEAD = 1;
const LEVEL = 3;
const STARTS = 16;
const SLOTS: number = STARTS + CAPACITY;
const EXTRAS: number = SLOTS + CAPACITY;
assert(EXTRAS + CAPACITY <= NODE_WORDS, 'maple_node: the record in memory/layout.ts is too small');

/** What a freed node is filled with in verify mode. @kernel include/linux/poison.h POISON_FREE */
const POISON = 0x6b6b6b6b;

// --- the root word ------------------------------------------------------------------------------------------------------------------
// The word in the mm holds the root and the height of the tree, so that one read gives a reader both. 0 is the empty tree.

const HEIGHT_BITS = 4;
const HEIGHT_MASK: number = (1 << HEIGHT_BITS) - 1;

export const rootOf = (node: number, height: number): number => (node << HEIGHT_BITS) | height;
export const rootNode = (root: number): number => root >>> HEIGHT_BITS;
export const rootHeight = (root: number): number => root & HEIGHT_MASK;

// --- fields -------------------------------------------------------------------------------------------------------------------------

/** First word of a node in the arena. */
export const nodeBase = (memory: SharedMemory, node: number): number => memory.nodesAt + node * NODE_WORDS;
export const nodeAt = (memory: SharedMemory, base: number): NodeId => ((base - memory.nodesAt) / NODE_WORDS) as NodeId;

export const countIn = (words: SharedWords, base: number): number => words[base + COUNT] as number;
export const levelIn = (words: SharedWords, base: number): number => words[base + LEVEL] as number;
export const startIn = (words: SharedWords, base: number, position: number): number => words[base + STARTS + position] as number;
/** First page after an entry of a leaf. */
export const endIn = (words: SharedWords, base: number, position: number): number => words[base + EXTRAS + position] as number;
/** Largest hole under a child of an inner node. */
export const gapIn = (words: SharedWords, base: number, position: number): number => words[base + EXTRAS + position] as number;
/** Area of a leaf, or child of an inner node as a writer sees it. */
export const slotIn = (words: SharedWords, base: number, position: number): number => words[base + SLOTS + position] as number;
/** The one word of an inner node that changes under readers. */
export const slotWord = (base: number, position: number): Word => (base + SLOTS + position) as Word;
export const rcuHeadWord = (base: number): Word => (base + RCU_HEAD) as Word;

export function setEntry(words: SharedWords, base: number, position: number, start: number, slot: number, extra: number): void {
  words[base + STARTS + position] = start;
  words[base + SLOTS + position] = slot;
  words[base + EXTRAS + position] = extra;
}

export function setGap(words: SharedWords, base: number, position: number, gap: number): void {
  words[base + EXTRAS + position] = gap;
}

/** Copies entries of one node into another, which nobody else knows yet. */
export function copyEntries(
  words: SharedWords,
  from: { base: number; position: number },
  to: { base: number; position: number },
  count: number,
): void {
  const source = from.base + STARTS + from.position;
  const target = to.base + STARTS + to.position;
  for (let i = 0; i < count; i++) {
    words[target + i] = words[source + i] as number;
    words[target + CAPACITY + i] = words[source + CAPACITY + i] as number;
    words[target + 2 * CAPACITY + i] = words[source + 2 * CAPACITY + i] as number;
  }
}

/** Writes what is not an entry. The starts beyond the last entry are what the search runs into. */
export function finishNode(words: SharedWords, base: number, level: number, count: number): void {
  words[base + COUNT] = count;
  words[base + LEVEL] = level;
  for (let position = count; position < CAPACITY; position++) words[base + STARTS + position] = MT_MAX;
}

// --- search -------------------------------------------------------------------------------------------------------------------------

/**
 * Position of the last entry that starts at `vpn` or below; 0 also when there is none. `vpn` is below MT_MAX.
 * Two steps without a branch: how many of every fourth start are at `vpn` or below, then how many of the three after that one. The looks
 * of one step do not wait for each other, which halves the time of a binary search. Both sides are 31-bit numbers: the sign is exact.
 */
export function searchIn(words: SharedWords, base: number, vpn: number): number {
  const above = vpn + 1;
  const starts = base + STARTS;
  const fours =
    (((words[starts + 4] as number) - above) >>> 31) +
    (((words[starts + 8] as number) - above) >>> 31) +
    (((words[starts + 12] as number) - above) >>> 31) +
    (((words[starts + 16] as number) - above) >>> 31) +
    (((words[starts + 20] as number) - above) >>> 31) +
    (((words[starts + 24] as number) - above) >>> 31) +
    (((words[starts + 28] as number) - above) >>> 31);
  const position = fours << 2;
  const next = starts + position;
  return (
    position +
    (((words[next + 1] as number) - above) >>> 31) +
    (((words[next + 2] as number) - above) >>> 31) +
    (((words[next + 3] as number) - above) >>> 31)
  );
}

/** The area at a position of a leaf if it covers the page, else 0. */
export function coveringIn(words: SharedWords, base: number, position: number, vpn: number): VmaId {
  const covers = (words[base + STARTS + position] as number) <= vpn && vpn < (words[base + EXTRAS + position] as number);
  return (covers ? (words[base + SLOTS + position] as number) : 0) as VmaId;
}

// --- holes --------------------------------------------------------------------------------------------------------------------------

/** Largest hole between the bounds of a leaf. */
export function leafGap(words: SharedWords, base: number, low: number, high: number): number {
  let largest = 0;
  let free = low;
  const count = countIn(words, base);
  for (let position = 0; position < count; position++) {
    const hole = startIn(words, base, position) - free;
    if (hole > largest) largest = hole;
    free = endIn(words, base, position);
  }
  const last = high - free;
  return last > largest ? last : largest;
}

/** Largest of the holes under the children of an inner node. */
export function innerGap(words: SharedWords, base: number): number {
  let largest = 0;
  const count = countIn(words, base);
  for (let position = 0; position < count; position++) {
    const gap = gapIn(words, base, position);
    if (gap > largest) largest = gap;
  }
  return largest;
}

// --- life ---------------------------------------------------------------------------------------------------------------------------

/** A node of this CPU's reserve, with nothing written into it yet. @returns its first word */
export function takeNode(cpu: Cpu): number {
  const node = cpu.nodeReserve.nodes.pop();
  assert(node !== undefined, 'mas_store_prealloc: more stores than were preallocated');
  return nodeBase(cpu.memory, node);
}

/** Frees a node that no reader can be using. In verify mode its words become poison first, so that a late reader is noticed. */
export function mt_free_one(cpu: Cpu, node: NodeId): void {
  if (cpu.verify) {
    const base = nodeBase(cpu.memory, node);
    cpu.words.fill(POISON, base, base + NODE_WORDS);
  }
  kmem_cache_free(cpu, NODE_CACHE, node);
}

/** What call_rcu runs when the grace period of a replaced node has passed. @kernel mt_free_rcu() */
export function mt_free_rcu(cpu: Cpu, node: number): void {
  mt_free_one(cpu, node as NodeId);
}

/** For verify mode: the node that a reader has arrived at. @returns its generation, to be compared when the reader leaves the node */
export function enterNode(cpu: Cpu, base: number, level: number): number {
  const { memory, words } = cpu;
  const generation = slotGeneration(memory, NODE_CACHE, nodeAt(memory, base));
  invariant((generation & 1) === 1, 'I28', 'a tree walk arrived at a freed node');
  const count = countIn(words, base);
  invariant(count >= 1 && count <= CAPACITY && levelIn(words, base) === level, 'I28', 'a tree walk arrived at a node that has been reused');
  return generation;
}

/** For verify mode: everything read since enterNode() was read from that node while it was alive. */
export function leaveNode(cpu: Cpu, base: number, generation: number): void {
  const now = slotGeneration(cpu.memory, NODE_CACHE, nodeAt(cpu.memory, base));
  invariant(now === generation, 'I28', 'a tree node was freed while a walk was in it');
}

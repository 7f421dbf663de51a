/**
 * index -> number, a tree of 64 slots a node: the page cache of one file. Readers need no lock; writers hold the file's lock.
 * @kernel lib/xarray.c
 * @fidelity reduced: values are small numbers, no marks, no multi-index entries; nodes live as long as the file
 * Next: mm/filemap.ts
 */
import { assert } from '../base/assert.ts';
import type { NodeId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { XA_NODE_CACHE } from '../slab/caches.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';

const SLOT_BITS = 6;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const SHIFT = SLOTS;
/** Indices are below 2^31, so that shifts may be used on them: powers and divisions of numbers cost a fault a tenth of its time. */
const INDEX_BITS = 31;
const NONE = 0 as NodeId;
assert(SHIFT < RECORD_WORDS.xaNode, 'xarray: the record has another size in memory/layout.ts');

const slotWord = (m: SharedMemory, node: NodeId, slot: number): Word => (m.xaNodesAt + node * RECORD_WORDS.xaNode + slot) as Word;
const shiftOf = (m: SharedMemory, node: NodeId): number => m.xaNodes[node * RECORD_WORDS.xaNode + SHIFT] as number;
/** Does the tree below a node with this shift reach the index? */
const covers = (shift: number, index: number): boolean => shift + SLOT_BITS >= INDEX_BITS || index >>> (shift + SLOT_BITS) === 0;
/** How many indices lie below one slot of a node with this shift. */
const spanOf = (shift: number): number => 1 << shift;

/** The entry at an index, 0 if there is none. Lockless. */
export function xa_load(cpu: Cpu, root: Word, index: number): number {
  const m = cpu.memory;
  let node = atomic_read(cpu, root) as NodeId; // Acquire. Pairs with: grow().
  if (node === NONE || !covers(shiftOf(m, node), index)) return 0;
  for (;;) {
    const shift = shiftOf(m, node);
    const entry = atomic_read(cpu, slotWord(m, node, (index >>> shift) & SLOT_MASK)); // Acquire. Pairs with: xa_store().
    if (shift === 0 || entry === 0) return entry;
    node = entry as NodeId;
  }
}

/** No entry. */
export const XA_NOT_FOUND = -1;

/** Index of the first entry from `index` on, XA_NOT_FOUND if there is none up to `max`. Lockless: what it found may be gone by now. */
export function xa_find(cpu: Cpu, root: Word, index: number, max: number): number {
  const top = atomic_read(cpu, root) as NodeId; // Acquire. Pairs with: grow().
  if (top === NONE || !covers(shiftOf(cpu.memory, top), index)) return XA_NOT_FOUND;
  const found = findBelow(cpu, top, 0, index);
  return found <= max ? found : XA_NOT_FOUND;
}

function findBelow(cpu: Cpu, node: NodeId, base: number, index: number): number {
  const m = cpu.memory;
  const shift = shiftOf(m, node);
  for (let slot = base >= index ? 0 : (index - base) >>> shift; slot < SLOTS; slot++) {
    const entry = atomic_read(cpu, slotWord(m, node, slot)); // Acquire. Pairs with: xa_store().
    if (entry === 0) continue;
    const first = base + slot * spanOf(shift);
    if (shift === 0) return first;
    const found = findBelow(cpu, entry as NodeId, first, index);
    if (found !== XA_NOT_FOUND) return found;
  }
  return XA_NOT_FOUND;
}

/** Stores an entry; 0 erases. @locks in: the file's lock. @returns false when memory is out, with nothing changed that a reader could see */
export function xa_store(cpu: Cpu, root: Word, index: number, entry: number): boolean {
  const m = cpu.memory;
  let node = grow(cpu, root, index);
  if (node === NONE) return false;
  for (let shift = shiftOf(m, node); shift > 0; shift -= SLOT_BITS) {
    const slot = slotWord(m, node, (index >>> shift) & SLOT_MASK);
    let child = atomic_read(cpu, slot) as NodeId; // Alone: only writers change it, and the lock is held.
    if (child === NONE) {
      child = newNode(cpu, shift - SLOT_BITS);
      if (child === NONE) return false;
      atomic_set(cpu, slot, child); // Release: the empty node. Pairs with: xa_load().
    }
    node = child;
  }
  atomic_set(cpu, slotWord(m, node, index & SLOT_MASK), entry); // Release: the folio is complete. Pairs with: xa_load().
  return true;
}

function newNode(cpu: Cpu, shift: number): NodeId {
  const m = cpu.memory;
  const node = kmem_cache_alloc(cpu, XA_NODE_CACHE) as NodeId;
  if (node === NONE) return NONE;
  const at = node * RECORD_WORDS.xaNode;
  m.xaNodes.fill(0, at, at + SLOTS);
  m.xaNodes[at + SHIFT] = shift;
  return node;
}

/** Adds levels on top until the index fits. */
function grow(cpu: Cpu, root: Word, index: number): NodeId {
  const m = cpu.memory;
  let top = atomic_read(cpu, root) as NodeId; // Alone: only writers change it, and the lock is held.
  if (top === NONE) {
    top = newNode(cpu, 0);
    if (top === NONE) return NONE;
    atomic_set(cpu, root, top); // Release. Pairs with: xa_load().
  }
  while (!covers(shiftOf(m, top), index)) {
    const higher = newNode(cpu, shiftOf(m, top) + SLOT_BITS);
    if (higher === NONE) return NONE;
    m.words[slotWord(m, higher, 0)] = top;
    atomic_set(cpu, root, higher); // Release: the node with the old tree below. Pairs with: xa_load().
    top = higher;
  }
  return top;
}

/** Visits every entry in order of index. @locks in: the file's lock, or nobody else uses the tree */
export function xa_for_each(cpu: Cpu, root: Word, visit: (index: number, entry: number) => void): void {
  const top = atomic_read(cpu, root) as NodeId; // Alone: see @locks.
  if (top !== NONE) visitNode(cpu, top, 0, visit);
}

function visitNode(cpu: Cpu, node: NodeId, base: number, visit: (index: number, entry: number) => void): void {
  const m = cpu.memory;
  const shift = shiftOf(m, node);
  for (let slot = 0; slot < SLOTS; slot++) {
    const entry = atomic_read(cpu, slotWord(m, node, slot)); // Alone: see xa_for_each().
    if (entry === 0) continue;
    const index = base + slot * spanOf(shift);
    if (shift === 0) visit(index, entry);
    else visitNode(cpu, entry as NodeId, index, visit);
  }
}

/** Nodes of the tree. @locks as xa_for_each() */
export function xaNodes(m: SharedMemory, root: Word): NodeId[] {
  const found: NodeId[] = [];
  const add = (node: NodeId): void => {
    found.push(node);
    if (shiftOf(m, node) === 0) return;
    for (let slot = 0; slot < SLOTS; slot++) {
      const child = m.words[slotWord(m, node, slot)] as NodeId;
      if (child !== NONE) add(child);
    }
  };
  const top = m.words[root] as NodeId;
  if (top !== NONE) add(top);
  return found;
}

/** Frees all nodes. @locks in: nobody else can reach the tree any more */
export function xa_destroy(cpu: Cpu, root: Word): void {
  const top = atomic_read(cpu, root) as NodeId; // Alone: see @locks.
  if (top === NONE) return;
  atomic_set(cpu, root, NONE); // Alone: see @locks.
  freeNode(cpu, top);
}

function freeNode(cpu: Cpu, node: NodeId): void {
  const m = cpu.memory;
  if (shiftOf(m, node) > 0) {
    for (let slot = 0; slot < SLOTS; slot++) {
      const child = atomic_read(cpu, slotWord(m, node, slot)) as NodeId; // Alone: see xa_destroy().
      if (child !== NONE) freeNode(cpu, child);
    }
  }
  kmem_cache_free(cpu, XA_NODE_CACHE, node);
}

/**
 * Fixed pools of slots, one for each type of record. A freed slot is the next to be handed out, at once, for a record of the same type:
 * whoever still looks at it sees a record of that type, maybe another one.
 *
 * The record of a pool:
 *
 *   line 0   lock, first free slot, slots in use, lowest slot never used    written by every CPU, under the lock
 *   line 1   first word of its slots, number of slots                       written once at boot
 *
 * Each slot has two words beside its record: the next free slot, and a generation that is odd while the slot is allocated.
 * @kernel mm/slub.c kmem_cache_alloc(), kmem_cache_free(), kmem_cache_alloc_bulk(); SLAB_TYPESAFE_BY_RCU
 * @fidelity reduced: one list per pool under one lock, no per-CPU lists; always type-stable; free does not clear
 * Next: mm/maple_node.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { allocFromPool } from '../trace/injector.ts';
import { type CacheId, cachePlaces } from './caches.ts';

const CACHE_SHIFT = 5;
const LOCK = 0;
const FREE = 1;
const IN_USE = 2;
const FRESH = 3;
const FIRST_WORD = 16;
const SLOTS = 17;
assert(1 << CACHE_SHIFT === RECORD_WORDS.caches, 'kmem_cache: the record has another size in memory/layout.ts');

const SLOT_SHIFT = 1;
const NEXT = 0;
const GENERATION = 1;
assert(1 << SLOT_SHIFT === RECORD_WORDS.slot, 'kmem_cache: a slot has another size in memory/layout.ts');

/** Ends a list of free slots: slot 0 of every table means "none". */
const NO_SLOT = 0;

const recordOf = (memory: SharedMemory, cache: CacheId): number => memory.cachesAt + (cache << CACHE_SHIFT);
const lockOf = (cpu: Cpu, cache: CacheId): Word => cacheLockWord(cpu.memory, cache);

/** Prepares every pool of a new machine. Call once, before any other CPU runs. */
export function kmem_cache_init(memory: SharedMemory): void {
  for (const { cache, firstWord, slots } of cachePlaces(memory.size)) {
    const record = recordOf(memory, cache);
    assert(memory.words[record + FRESH] === 0, 'kmem_cache_init: the pools of this machine are prepared already');
    memory.words[record + FRESH] = 1;
    memory.words[record + FIRST_WORD] = firstWord;
    memory.words[record + SLOTS] = slots;
  }
}

/** A slot of 1 or more, the one freed last if there is one; 0 when all are in use. Its words are as the last owner left them. Never sleeps. */
export function kmem_cache_alloc(cpu: Cpu, cache: CacheId): number {
  if (cpu.inject?.failsAllocation(allocFromPool(cache)) === true) return NO_SLOT;
  const lock = lockOf(cpu, cache);
  spin_lock(cpu, lock);
  const record = recordOf(cpu.memory, cache);
  const slot = freeSlots(cpu.memory, record) === 0 ? NO_SLOT : takeSlot(cpu.memory, record);
  spin_unlock(cpu, lock);
  return slot;
}

/**
 * Appends `count` slots to `out`, or none at all when fewer are free. Never sleeps.
 * @returns whether they were there
 */
export function kmem_cache_alloc_bulk(cpu: Cpu, cache: CacheId, count: number, out: number[]): boolean {
  if (cpu.inject?.failsAllocation(allocFromPool(cache)) === true) return false;
  const lock = lockOf(cpu, cache);
  spin_lock(cpu, lock);
  const record = recordOf(cpu.memory, cache);
  const enough = freeSlots(cpu.memory, record) >= count;
  if (enough) for (let i = 0; i < count; i++) out.push(takeSlot(cpu.memory, record));
  spin_unlock(cpu, lock);
  return enough;
}

/** Gives a slot back. Freeing what is free, or what never was handed out, is an InvariantError. Never sleeps. */
export function kmem_cache_free(cpu: Cpu, cache: CacheId, slot: number): void {
  const lock = lockOf(cpu, cache);
  spin_lock(cpu, lock);
  putSlot(cpu.memory, recordOf(cpu.memory, cache), slot);
  spin_unlock(cpu, lock);
}

/** Gives slots back, the last of the list first. The caller's list stays as it is. */
export function kmem_cache_free_bulk(cpu: Cpu, cache: CacheId, slots: readonly number[]): void {
  const lock = lockOf(cpu, cache);
  spin_lock(cpu, lock);
  const record = recordOf(cpu.memory, cache);
  for (let i = slots.length - 1; i >= 0; i--) putSlot(cpu.memory, record, slots[i] as number);
  spin_unlock(cpu, lock);
}

/** Slots handed out at the moment. Exact when nobody allocates. */
export function kmem_cache_in_use(memory: SharedMemory, cache: CacheId): number {
  return memory.words[recordOf(memory, cache) + IN_USE] as number;
}

/** Slots of the pool in all. */
export function cacheSlots(memory: SharedMemory, cache: CacheId): number {
  return memory.words[recordOf(memory, cache) + SLOTS] as number;
}

/**
 * How often the slot was handed out and given back: odd while it is allocated. For checkers; the modelled program may not look.
 * A slot that does not exist has generation 0, so a checker may ask about any number it finds.
 */
export function slotGeneration(memory: SharedMemory, cache: CacheId, slot: number): number {
  const record = recordOf(memory, cache);
  if (slot < 1 || slot > (memory.words[record + SLOTS] as number)) return 0;
  return memory.words[slotWord(memory, record, slot) + GENERATION] as number;
}

/** The lock of a pool, for checkers. */
export const cacheLockWord = (memory: SharedMemory, cache: CacheId): Word => (recordOf(memory, cache) + LOCK) as Word;

/** Is the slot handed out? Exact when nobody allocates. */
export function isAllocated(memory: SharedMemory, cache: CacheId, slot: number): boolean {
  return (slotGeneration(memory, cache, slot) & 1) === 1;
}

/** The first slot above `after` that is handed out, 0 if there is none: a loop over a pool in one pass of its words. Exact when nobody allocates. */
export function nextAllocated(memory: SharedMemory, cache: CacheId, after: number): number {
  const { words } = memory;
  const record = recordOf(memory, cache);
  const slots = words[record + SLOTS] as number;
  const first = (words[record + FIRST_WORD] as number) + GENERATION;
  for (let slot = after + 1; slot <= slots; slot++) {
    if (((words[first + (slot << SLOT_SHIFT)] as number) & 1) === 1) return slot;
  }
  return 0;
}

const slotWord = (memory: SharedMemory, record: number, slot: number): number =>
  (memory.words[record + FIRST_WORD] as number) + (slot << SLOT_SHIFT);

const freeSlots = (memory: SharedMemory, record: number): number =>
  (memory.words[record + SLOTS] as number) - (memory.words[record + IN_USE] as number);

/** @locks in: the pool's, and a slot is free */
function takeSlot(memory: SharedMemory, record: number): number {
  const { words } = memory;
  const freed = words[record + FREE] as number;
  const slot = freed === NO_SLOT ? (words[record + FRESH] as number) : freed;
  const word = slotWord(memory, record, slot);
  if (freed === NO_SLOT) words[record + FRESH] = slot + 1;
  else words[record + FREE] = words[word + NEXT] as number;
  const generation = words[word + GENERATION] as number;
  assert((generation & 1) === 0, 'kmem_cache: a slot in the list of free ones is allocated');
  words[word + GENERATION] = (generation + 1) | 0;
  words[record + IN_USE] = (words[record + IN_USE] as number) + 1;
  return slot;
}

/** @locks in: the pool's */
function putSlot(memory: SharedMemory, record: number, slot: number): void {
  const { words } = memory;
  assert(slot >= 1 && slot <= (words[record + SLOTS] as number), 'kmem_cache_free: the pool has no such slot');
  const word = slotWord(memory, record, slot);
  const generation = words[word + GENERATION] as number;
  assert((generation & 1) === 1, 'kmem_cache_free: the slot is free already');
  words[word + GENERATION] = (generation + 1) | 0;
  words[word + NEXT] = words[record + FREE] as number;
  words[record + FREE] = slot;
  words[record + IN_USE] = (words[record + IN_USE] as number) - 1;
}

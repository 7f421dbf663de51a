/**
 * folio: one page frame - its flags, who refers to it, whose page it is, and what it holds.
 * What a page holds is one stamp: the number that the last write left. A lost, stale or leaked write shows as a wrong number.
 * @kernel include/linux/mm_types.h struct folio; include/linux/page-flags.h
 * @fidelity reduced: one page per folio; the frame number is the folio's name; mapcount starts at 0, not -1
 * Next: mm/page_alloc.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { AnonVmaId, MappingId, Pfn, SwpEntry, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import {
  atomic_cmpxchg,
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  atomic_inc_not_zero_limited,
  atomic_read,
  atomic_set,
  READ_ONCE,
  WRITE_ONCE,
} from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';

const SHIFT = 4;
const FLAGS = 0;
const REFCOUNT = 1;
const MAPCOUNT = 2;
const MAPPING = 3;
const INDEX = 4;
const LRU_NEXT = 5;
const LRU_PREV = 6;
const PRIVATE = 7;
const STAMP = 8;
const GENERATION = 9;
const LOCK_OWNER = 10;
const MEMCG = 11;
const LRU_LIST = 12;
const LRU_GEN = 13;
assert(1 << SHIFT === RECORD_WORDS.folio, 'folio: the record has another size in memory/layout.ts');

/** Bit 0. */
export const PG_locked = 0x1;
export const PG_uptodate = 0x2;
export const PG_dirty = 0x4;
export const PG_referenced = 0x8;
export const PG_active = 0x10;
/** Bit 7, the sign bit of the lowest byte. */
export const PG_waiters = 0x80;
export const PG_workingset = 0x100;
export const PG_readahead = 0x200;
export const PG_writeback = 0x400;
export const PG_swapcache = 0x800;
export const PG_swapbacked = 0x1000;
/** The one PTE that maps it may write it in place. @kernel PG_anon_exclusive */
export const PG_anon_exclusive = 0x2000;
export const PG_lru = 0x4000;
export const PG_mlocked = 0x8000;
/** Free it as soon as it is written. The same bit as PG_readahead, as in the kernel: a fault may take the one for the other. */
export const PG_reclaim: number = PG_readahead;
/** The memory is broken. */
export const PG_hwpoison = 0x20000;
/** Memory of a device: no CPU may read it by an entry. Ours: in the kernel it is memory of a zone of its own. @kernel folio_is_device_private() */
export const PG_device = 0x80000;
/** Isolated from the lists of reclaim by somebody who holds a reference. */
export const PG_isolated = 0x40000;

/** The frame that every first read of anonymous memory maps: always zero, never freed, not counted. */
export const ZERO_PFN: Pfn = 0 as Pfn;
export const NO_FOLIO: Pfn = 0 as Pfn;

const at = (pfn: Pfn, field: number): number => (pfn << SHIFT) + field;
const word = (m: SharedMemory, pfn: Pfn, field: number): Word => (m.foliosAt + (pfn << SHIFT) + field) as Word;

export const folioFlagsWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, FLAGS);
export const folioRefcountWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, REFCOUNT);
export const folioMapcountWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, MAPCOUNT);
export const folioStampWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, STAMP);
/** Who owns the folio lock; only mm/folio_lock.ts knows what the numbers mean. */
export const folioLockOwnerWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, LOCK_OWNER);
/** Odd while allocated. For checkers only. */
export const folioGeneration = (m: SharedMemory, pfn: Pfn): number => m.folios[at(pfn, GENERATION)] as number;
/** Not allocated, and nothing counted. For checkers only. */
export function folioIsIdle(m: SharedMemory, pfn: Pfn): boolean {
  const { folios } = m;
  const first = pfn << SHIFT;
  return (
    ((folios[first + GENERATION] as number) & 1) === 0 &&
    ((folios[first + REFCOUNT] as number) | (folios[first + MAPCOUNT] as number)) === 0
  );
}

export const bumpFolioGeneration = (m: SharedMemory, pfn: Pfn): void => {
  m.folios[at(pfn, GENERATION)] = (folioGeneration(m, pfn) + 1) | 0;
};

export const folio_flags = (cpu: Cpu, pfn: Pfn): number => atomic_read(cpu, word(cpu.memory, pfn, FLAGS));
export const folioTest = (cpu: Cpu, pfn: Pfn, flag: number): boolean => (READ_ONCE(cpu, word(cpu.memory, pfn, FLAGS)) & flag) !== 0;
/** @returns the flags before. Pairs with: every test of the flag. */
export const folioSet = (cpu: Cpu, pfn: Pfn, flag: number): number => atomic_fetch_or(cpu, word(cpu.memory, pfn, FLAGS), flag);
/** @returns the flags before. Pairs with: every test of the flag. */
export const folioClear = (cpu: Cpu, pfn: Pfn, flag: number): number => atomic_fetch_and(cpu, word(cpu.memory, pfn, FLAGS), ~flag);
/** Of a folio nobody else can reach yet. */
export const folioInitFlags = (cpu: Cpu, pfn: Pfn, flags: number): void => WRITE_ONCE(cpu, word(cpu.memory, pfn, FLAGS), flags);

export const folio_index = (m: SharedMemory, pfn: Pfn): number => m.folios[at(pfn, INDEX)] as number;
/** The lower links of free lists and LRU lists. */
export const lruNext = (m: SharedMemory, pfn: Pfn): Pfn => m.folios[at(pfn, LRU_NEXT)] as Pfn;
export const setLruNext = (m: SharedMemory, pfn: Pfn, next: Pfn): void => {
  m.folios[at(pfn, LRU_NEXT)] = next;
};

export const lruPrev = (m: SharedMemory, pfn: Pfn): Pfn => m.folios[at(pfn, LRU_PREV)] as Pfn;
export const setLruPrev = (m: SharedMemory, pfn: Pfn, prev: Pfn): void => {
  m.folios[at(pfn, LRU_PREV)] = prev;
};
/** The memory cgroup that the folio is charged to; 0 for none. Written by whoever allocates the folio, before others know it. @kernel folio_memcg() */
export const folio_memcg = (m: SharedMemory, pfn: Pfn): number => m.folios[at(pfn, MEMCG)] as number;
export const setFolioMemcg = (m: SharedMemory, pfn: Pfn, memcg: number): void => {
  m.folios[at(pfn, MEMCG)] = memcg;
};
/** The list that a folio with PG_lru is on. Ours: the kernel tells it by the flags, which may change meanwhile here. @locks the lruvec's */
export const lruListOf = (m: SharedMemory, pfn: Pfn): number => m.folios[at(pfn, LRU_LIST)] as number;
export const setLruListOf = (m: SharedMemory, pfn: Pfn, list: number): void => {
  m.folios[at(pfn, LRU_LIST)] = list;
};
/** Atomic: 1 + the generation of a folio on a list of generations, or 0; only mm/lru_gen.ts knows more. @kernel LRU_GEN_MASK of the flags */
export const folioGenWord = (m: SharedMemory, pfn: Pfn): Word => word(m, pfn, LRU_GEN);
/** The swap entry of a folio in the swap cache (PG_swapcache). @locks folio, and the swap area's to change it. @kernel folio->swap */
export const folioSwapEntry = (m: SharedMemory, pfn: Pfn): SwpEntry => m.folios[at(pfn, PRIVATE)] as SwpEntry;
export const setFolioSwapEntry = (m: SharedMemory, pfn: Pfn, entry: SwpEntry): void => {
  m.folios[at(pfn, PRIVATE)] = entry;
};

// The mapping word: 0 none, odd = anon_vma (as in the kernel), even = address_space.
const MAPPING_ANON = 1;
export const folioMapping = (cpu: Cpu, pfn: Pfn): number => READ_ONCE(cpu, word(cpu.memory, pfn, MAPPING));
export const folio_test_anon = (cpu: Cpu, pfn: Pfn): boolean => (folioMapping(cpu, pfn) & MAPPING_ANON) !== 0;
export const folioAnonVma = (mapping: number): AnonVmaId => (mapping >>> 1) as AnonVmaId;
export const folioFile = (mapping: number): MappingId => ((mapping & MAPPING_ANON) === 0 ? mapping >>> 1 : 0) as MappingId;
export const anonMapping = (anonVma: AnonVmaId): number => (anonVma << 1) | MAPPING_ANON;
export const fileMapping = (file: MappingId): number => file << 1;
/** Says whose page it is. The index first: who sees the mapping sees its index. */
export function setFolioMapping(cpu: Cpu, pfn: Pfn, mapping: number, index: number): void {
  cpu.memory.folios[at(pfn, INDEX)] = index;
  WRITE_ONCE(cpu, word(cpu.memory, pfn, MAPPING), mapping);
}

/** Number of PTEs that map the folio. */
export const folio_mapcount = (cpu: Cpu, pfn: Pfn): number => atomic_read(cpu, word(cpu.memory, pfn, MAPCOUNT));
export const folio_ref_count = (cpu: Cpu, pfn: Pfn): number => atomic_read(cpu, word(cpu.memory, pfn, REFCOUNT));

/** One more reference; the caller has one or a lock that keeps one. @kernel folio_get() */
export function folio_get(cpu: Cpu, pfn: Pfn): void {
  const before = atomic_fetch_add(cpu, word(cpu.memory, pfn, REFCOUNT), 1); // Alone: the caller's reference keeps it above zero.
  invariant(before > 0, 'I17', 'folio_get: the folio had no reference left');
}

const REFCOUNT_MAX = 0x7fffffff;

/**
 * A reference on a folio that may be on its way out, as a lockless lookup finds it. Afterwards the caller must look whether the folio is still
 * where it was found: the frame may have been freed and be somebody else's. @returns whether there is one. @kernel folio_try_get()
 */
export function folio_try_get(cpu: Cpu, pfn: Pfn): boolean {
  // Acquire. Pairs with: folio_put() of the last owner, folio_ref_freeze().
  return atomic_inc_not_zero_limited(cpu, word(cpu.memory, pfn, REFCOUNT), REFCOUNT_MAX) !== 0;
}

/**
 * Takes all references away at once if there are exactly so many: nobody can get a new one until folio_ref_unfreeze() or the folio is freed.
 * @returns false, with nothing changed, when somebody else has one. @kernel folio_ref_freeze()
 */
export function folio_ref_freeze(cpu: Cpu, pfn: Pfn, count: number): boolean {
  return atomic_cmpxchg(cpu, word(cpu.memory, pfn, REFCOUNT), count, 0) === count; // Full. Pairs with: folio_try_get().
}

/** Ends a freeze. @kernel folio_ref_unfreeze() */
export function folio_ref_unfreeze(cpu: Cpu, pfn: Pfn, count: number): void {
  atomic_set(cpu, word(cpu.memory, pfn, REFCOUNT), count); // Release. Pairs with: folio_try_get().
}

/** What a pin adds to the reference count, so that pins can be told from other references. @kernel GUP_PIN_COUNTING_BIAS */
export const GUP_PIN_COUNTING_BIAS = 1024;

/** Pins a page that somebody else may write to for the owner: fork gives the child a copy at once. @kernel try_grab_folio() with FOLL_PIN */
export function pinFolio(cpu: Cpu, pfn: Pfn): void {
  const before = atomic_fetch_add(cpu, word(cpu.memory, pfn, REFCOUNT), GUP_PIN_COUNTING_BIAS); // Pairs with: folio_maybe_dma_pinned() under the same page-table lock.
  invariant(before > 0, 'I17', 'pinFolio: the folio had no reference left');
}

/** May somebody have pinned the page? Errs on the side of yes. */
export const folio_maybe_dma_pinned = (cpu: Cpu, pfn: Pfn): boolean => folio_ref_count(cpu, pfn) >= GUP_PIN_COUNTING_BIAS;

/** What the page holds. A racing read is what a program would see: one or the other. */
export const readStamp = (cpu: Cpu, pfn: Pfn): number => READ_ONCE(cpu, word(cpu.memory, pfn, STAMP));
export const writeStamp = (cpu: Cpu, pfn: Pfn, stamp: number): void => WRITE_ONCE(cpu, word(cpu.memory, pfn, STAMP), stamp);

/** The record as allocation leaves it: one reference, nobody's page, contents of the previous owner. */
export function resetFolio(cpu: Cpu, pfn: Pfn): void {
  const m = cpu.memory;
  m.folios[at(pfn, INDEX)] = 0;
  m.folios[at(pfn, PRIVATE)] = 0;
  m.folios[at(pfn, LRU_NEXT)] = 0;
  m.folios[at(pfn, LRU_PREV)] = 0;
  m.folios[at(pfn, MEMCG)] = 0;
  m.folios[at(pfn, LRU_LIST)] = 0;
  WRITE_ONCE(cpu, word(m, pfn, FLAGS), 0);
  WRITE_ONCE(cpu, word(m, pfn, MAPPING), 0);
  WRITE_ONCE(cpu, word(m, pfn, MAPCOUNT), 0);
}

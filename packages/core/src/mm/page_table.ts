/**
 * Page tables: four levels, each table with its own lock. A table is 512 words; upper entries hold the number of the next table.
 *
 *   page number (31 bits): | 4 bits PGD | 9 bits PUD | 9 bits PMD | 9 bits PTE |
 *
 * @kernel mm/memory.c __pte_alloc(), free_pgd_range(); include/linux/mm.h pte_lockptr()
 * @fidelity reduced: no huge entries; upper levels are filled under the parent table's lock; free tables are all zero, so allocation clears nothing
 * Next: mm/pte_lock.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { MmId, Pte, TableId, Vpn, Word } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_is_held, spin_lock, spin_unlock } from '../locking/spinlock.ts';
import {
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  atomic_set,
  atomic_xchg,
  READ_ONCE,
  rcu_dereference,
  WRITE_ONCE,
} from '../memory/atomic.ts';
import { RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { TABLE_CACHE } from '../slab/caches.ts';
import { isAllocated, kmem_cache_alloc, kmem_cache_free } from '../slab/kmem_cache.ts';
import { mm_pgd, mmPgdWord, mmPgtablesWord, pageTableLockWord, set_mm_pgd } from './mm_struct.ts';
import { PTE_PRESENT, PTE_RW, PTE_YOUNG } from './pte.ts';

const TABLE_SHIFT = 4;
const PTES_SHIFT = 9;
const LOCK = 0;
const LEVEL = 1;
assert(1 << TABLE_SHIFT === RECORD_WORDS.table, 'page_table: the record has another size in memory/layout.ts');
assert(1 << PTES_SHIFT === RECORD_WORDS.ptes, 'page_table: a table has another size in memory/layout.ts');

export const PTRS_PER_TABLE: number = 1 << PTES_SHIFT;
const INDEX_MASK = PTRS_PER_TABLE - 1;
export const LEVEL_PTE = 0;
export const LEVEL_PMD = 1;
export const LEVEL_PUD = 2;
export const LEVEL_PGD = 3;
/** Pages covered by one entry of each level. */
const SPAN_SHIFT: readonly number[] = [0, 9, 18, 27];
export const PMD_PAGES = 512;

/** The lock of one table. */
export const tableLockWord = (m: SharedMemory, table: TableId): Word => (m.tablesAt + (table << TABLE_SHIFT) + LOCK) as Word;
export const tableLevel = (m: SharedMemory, table: TableId): number => m.tables[(table << TABLE_SHIFT) + LEVEL] as number;
/** The entry of a table for a page. */
export const entryWord = (m: SharedMemory, table: TableId, vpn: Vpn, level: number): Word =>
  (m.ptesAt + (table << PTES_SHIFT) + ((vpn >>> (SPAN_SHIFT[level] as number)) & INDEX_MASK)) as Word;
/** The table that a page-table word lies in. */
export const tableOfWord = (m: SharedMemory, entry: Word): TableId => ((entry - m.ptesAt) >> PTES_SHIFT) as TableId;

/** The PTE-level entry of a page, when its table is known. */
export const pteWord = (m: SharedMemory, table: TableId, vpn: Vpn): Word => (m.ptesAt + (table << PTES_SHIFT) + (vpn & INDEX_MASK)) as Word;

function allocTable(cpu: Cpu, mm: MmId, level: number): TableId {
  const m = cpu.memory;
  const table = kmem_cache_alloc(cpu, TABLE_CACHE) as TableId;
  if (table === NO_TABLE) return NO_TABLE;
  m.tables[(table << TABLE_SHIFT) + LEVEL] = level;
  if (cpu.verify) assertTableEmpty(cpu, table);
  atomic_fetch_add(cpu, mmPgtablesWord(m, mm), 1); // Alone: a count.
  return table;
}

function assertTableEmpty(cpu: Cpu, table: TableId): void {
  const m = cpu.memory;
  const base = m.ptesAt + (table << PTES_SHIFT);
  for (let i = 0; i < PTRS_PER_TABLE; i++) {
    invariant(m.words[base + i] === 0, 'I26', 'a free page table is not empty: an entry was written after it was freed');
  }
}

function freeTable(cpu: Cpu, mm: MmId, table: TableId): void {
  if (cpu.verify) assertTableEmpty(cpu, table);
  atomic_fetch_add(cpu, mmPgtablesWord(cpu.memory, mm), -1); // Alone: a count.
  kmem_cache_free(cpu, TABLE_CACHE, table);
}

/** Reads the next table number in an upper entry; 0 when there is none. A dependent load: what it points to was filled before it was published. */
const nextTable = (cpu: Cpu, entry: Word): TableId => rcu_dereference(cpu, entry) as TableId;

/**
 * The PTE table that covers a page, or NO_TABLE. Lockless: needs the VMA or mmap lock of an area that covers the page (its tables then
 * stay), or an open TLB access.
 */
export function findPteTable(cpu: Cpu, mm: MmId, vpn: Vpn): TableId {
  const m = cpu.memory;
  let table = nextTable(cpu, mmPgdWord(m, mm));
  if (table === NO_TABLE) return NO_TABLE;
  table = nextTable(cpu, entryWord(m, table, vpn, LEVEL_PGD));
  if (table === NO_TABLE) return NO_TABLE;
  table = nextTable(cpu, entryWord(m, table, vpn, LEVEL_PUD));
  if (table === NO_TABLE) return NO_TABLE;
  return nextTable(cpu, entryWord(m, table, vpn, LEVEL_PMD));
}

/**
 * The PTE table that covers a page, made if need be. NO_TABLE when memory is out.
 * @locks in: VMA read, mmap read or mmap write, on an area that covers the page. May spin, does not sleep.
 */
export function pte_alloc(cpu: Cpu, mm: MmId, vpn: Vpn): TableId {
  const m = cpu.memory;
  const found = findPteTable(cpu, mm, vpn);
  if (found !== NO_TABLE) return found;
  let table = nextTable(cpu, mmPgdWord(m, mm));
  if (table === NO_TABLE) {
    table = allocPgd(cpu, mm);
    if (table === NO_TABLE) return NO_TABLE;
  }
  for (let level = LEVEL_PGD; level > LEVEL_PTE; level--) {
    table = descend(cpu, mm, table, vpn, level);
    if (table === NO_TABLE) return NO_TABLE;
  }
  return table;
}

function allocPgd(cpu: Cpu, mm: MmId): TableId {
  const m = cpu.memory;
  const lock = pageTableLockWord(m, mm);
  spin_lock(cpu, lock);
  let pgd = nextTable(cpu, mmPgdWord(m, mm));
  if (pgd === NO_TABLE) {
    pgd = allocTable(cpu, mm, LEVEL_PGD);
    atomic_set(cpu, mmPgdWord(m, mm), pgd); // Release: the empty table. Pairs with: nextTable() in findPteTable().
  }
  spin_unlock(cpu, lock);
  return pgd;
}

/** The table below an entry, made under the lock of the upper table if it is missing: two faults may both try, one wins. */
function descend(cpu: Cpu, mm: MmId, upper: TableId, vpn: Vpn, level: number): TableId {
  const m = cpu.memory;
  const entry = entryWord(m, upper, vpn, level);
  const next = nextTable(cpu, entry);
  if (next !== NO_TABLE) return next;
  const lock = tableLockWord(m, upper);
  spin_lock(cpu, lock);
  let table = nextTable(cpu, entry);
  if (table === NO_TABLE) {
    table = allocTable(cpu, mm, level - 1);
    if (table !== NO_TABLE) atomic_set(cpu, entry, table); // Release: the empty table. Pairs with: nextTable().
  }
  spin_unlock(cpu, lock);
  return table;
}

// --- entries ------------------------------------------------------------------------------------------------------------------------

/** Reads an entry. Without its lock the value may be old at once. @kernel ptep_get() */
export const ptep_get = (cpu: Cpu, entry: Word): Pte => READ_ONCE(cpu, entry) as Pte;

/** Writes an entry that the hardware cannot change meanwhile: none, or not present. @locks in: the table's lock @kernel set_pte_at() */
export function set_pte_at(cpu: Cpu, entry: Word, pte: Pte): void {
  checkPteWrite(cpu, entry);
  if (cpu.verify)
    invariant((ptep_get(cpu, entry) & PTE_PRESENT) === 0, 'I15', 'set_pte_at: an entry that the hardware may be using is overwritten');
  WRITE_ONCE(cpu, entry, pte);
}

/**
 * Clears an entry and returns what it was, including accessed and dirty bits that the hardware set meanwhile.
 * @locks in: the table's lock @kernel ptep_get_and_clear()
 */
export function ptep_get_and_clear(cpu: Cpu, entry: Word): Pte {
  checkPteWrite(cpu, entry);
  return atomic_xchg(cpu, entry, 0) as Pte; // Pairs with: the hardware walk's compare-and-exchange in mm/tlb.ts.
}

/** Adds bits to a present entry, as the hardware may do at the same time. @locks in: the table's lock @kernel ptep_set_access_flags() */
export function ptep_set_access_flags(cpu: Cpu, entry: Word, bits: number): void {
  checkPteWrite(cpu, entry);
  atomic_fetch_or(cpu, entry, bits); // Pairs with: the hardware walk.
}

/** Takes the mark of use from a present entry, without a flush. @locks in: the table's lock. @returns whether it was there */
export function ptep_test_and_clear_young(cpu: Cpu, entry: Word): boolean {
  checkPteWrite(cpu, entry);
  return (atomic_fetch_and(cpu, entry, ~PTE_YOUNG) & PTE_YOUNG) !== 0; // Pairs with: the hardware walk, which sets it.
}

/** Takes the right to write from a present entry. @locks in: the table's lock; a flush follows @kernel ptep_set_wrprotect() */
export function ptep_set_wrprotect(cpu: Cpu, entry: Word): void {
  checkPteWrite(cpu, entry);
  atomic_fetch_and(cpu, entry, ~PTE_RW); // Pairs with: the hardware walk, which may set the dirty bit until the flush.
}

/** I15 and I26: only under the table's lock, and only in a live table. */
function checkPteWrite(cpu: Cpu, entry: Word): void {
  const m = cpu.memory;
  const table = tableOfWord(m, entry);
  invariant(spin_is_held(cpu, tableLockWord(m, table)), 'I15', 'a page-table entry is written without its page-table lock');
  if (cpu.verify) invariant(isAllocated(m, TABLE_CACHE, table), 'I26', 'a page-table entry is written into a freed table');
}

// --- freeing ------------------------------------------------------------------------------------------------------------------------

/** A table taken out of the tree, to be freed once no hardware walk can be inside it. */
export type FreedTables = TableId[];

/**
 * Unlinks the page tables that cover only [start, end), where nothing else lives between floor and ceiling (the neighbours' bounds).
 * The tables go on the list; free them after the TLB flush. @kernel free_pgd_range()
 * @locks in: no area covers the range any more; nobody else unlinks or fills in it
 */
export function free_pgd_range(cpu: Cpu, mm: MmId, start: Vpn, end: Vpn, floor: number, ceiling: number, freed: FreedTables): void {
  const pgd = mm_pgd(cpu.memory, mm);
  if (pgd === NO_TABLE) return;
  freeLevel(cpu, pgd, LEVEL_PGD, start, end, floor, ceiling, freed);
}

function freeLevel(
  cpu: Cpu,
  table: TableId,
  level: number,
  start: number,
  end: number,
  floor: number,
  ceiling: number,
  freed: FreedTables,
): void {
  const m = cpu.memory;
  const shift = SPAN_SHIFT[level] as number;
  const span = 2 ** shift;
  for (let base = Math.floor(start / span) * span; base < end; base += span) {
    const entry = entryWord(m, table, base as Vpn, level);
    const child = nextTable(cpu, entry);
    if (child === NO_TABLE) continue;
    if (level > LEVEL_PMD) freeLevel(cpu, child, level - 1, Math.max(start, base), Math.min(end, base + span), floor, ceiling, freed);
    if (base < floor || base + span > ceiling) continue;
    // The parent's lock: a neighbour's fault may be filling another entry of the same upper table.
    const lock = tableLockWord(m, table);
    spin_lock(cpu, lock);
    atomic_set(cpu, entry, NO_TABLE); // Pairs with: nextTable() of the hardware walk.
    spin_unlock(cpu, lock);
    freed.push(child);
  }
}

/** Gives unlinked tables back. @locks in: the TLB flush after unlinking is done */
export function freeTables(cpu: Cpu, mm: MmId, freed: FreedTables): void {
  for (const table of freed) freeTable(cpu, mm, table);
  freed.length = 0;
}

/** Frees the top table of an address space that nobody uses any more. @kernel pgd_free() */
export function pgd_free(cpu: Cpu, mm: MmId): void {
  const pgd = mm_pgd(cpu.memory, mm);
  if (pgd === NO_TABLE) return;
  set_mm_pgd(cpu.memory, mm, NO_TABLE);
  freeTable(cpu, mm, pgd);
}

/**
 * Generations instead of two lists: each lruvec has, for files and for anonymous memory, up to four lists of pages by age. The oldest goes first; aging
 * looks through page tables for what was used, says of those pages that they are young, and begins a new generation.
 *
 *   min_seq                                  max_seq
 *   +-----------+-----------+-----------+-----------+
 *   |  oldest   |           |           | youngest  |   a page found young: its number becomes max_seq at once, its list when the oldest is scanned
 *   +-----------+-----------+-----------+-----------+
 *    reclaimed                            max_seq + 1 <- aging
 *
 *   walking CPU (page-table lock)             evicting CPU (lruvec lock)
 *   1 the entry is young: clears it
 *   2 number of the folio = max_seq
 *                                             3 finds the folio on the oldest list: its number is another one  <- decides: moves it there
 *
 * @kernel mm/vmscan.c lru_gen_enabled(), folio_update_gen(), inc_min_seq(), inc_max_seq(), try_to_inc_min_seq(); include/linux/mm_inline.h
 *   lru_gen_add_folio(), lru_gen_folio_seq()
 * @fidelity reduced: no tiers of pages used through file descriptors, no Bloom filters, no bit in upper tables (4), switched at boot only
 * Next: reclaim/lru_gen_age.ts, reclaim/lru_gen_evict.ts
 */
import type { Pfn, Word } from '../base/brand.ts';
import { UsageError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_read, atomic_set, READ_ONCE } from '../memory/atomic.ts';
import { H_LRU } from '../memory/header.ts';
import { PC_FAULT_VPN } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { folioGenWord, PG_active, PG_dirty, PG_reclaim, PG_swapbacked, PG_swapcache, PG_workingset, PG_writeback } from './folio.ts';
import { lruvecWord } from './memcg.ts';

export const MAX_NR_GENS = 4;
export const MIN_NR_GENS = 2;
export const GEN_ANON = 0;
export const GEN_FILE = 1;
export type GenType = typeof GEN_ANON | typeof GEN_FILE;
export const GEN_TYPES = 2;

/** Bits of the switch. @kernel LRU_GEN_CORE, LRU_GEN_MM_WALK */
export const LRU_GEN_CORE = 1;
export const LRU_GEN_MM_WALK = 2;
/** Never changes while CPUs run. */
const LRU_GEN = (H_LRU + 24) as Word;

// Behind the lists of the lruvec (mm/lru.ts).
const MAX_SEQ = 56;
const MIN_SEQ = 57;
const AGING = 59;

export const lru_gen_enabled = (m: SharedMemory): boolean => m.words[LRU_GEN] !== 0;
/** Does aging walk page tables? If not, only the reverse map of what is evicted tells what was used. @kernel should_walk_mmu() */
export const should_walk_mmu = (m: SharedMemory): boolean => ((m.words[LRU_GEN] as number) & LRU_GEN_MM_WALK) !== 0;
export const lruGenBits = (m: SharedMemory): number => m.words[LRU_GEN] as number;

/** @locks none: before CPUs run, on a machine without pages in use. @throws UsageError for bits that mean nothing here */
export function checkLruGen(bits: number): void {
  if (bits === 0 || bits === LRU_GEN_CORE || bits === (LRU_GEN_CORE | LRU_GEN_MM_WALK)) return;
  throw new UsageError(`lruGen is ${bits}, but it must be 0, 1 (generations) or 3 (generations, with walks of page tables).`);
}

/** @locks as checkLruGen(). @param memcgs how many there are */
export function switchLruGen(m: SharedMemory, bits: number, memcgs: number): void {
  m.words[LRU_GEN] = bits;
  for (let memcg = 0; memcg < memcgs; memcg++) {
    if (m.words[maxSeqWord(m, memcg)] === 0) m.words[maxSeqWord(m, memcg)] = MIN_NR_GENS + 1;
  }
}

/** Number of the youngest generation. Written under the lruvec's lock, read without. */
export const maxSeqWord = (m: SharedMemory, memcg: number): Word => (lruvecWord(m, memcg) + MAX_SEQ) as Word;
export const minSeqWord = (m: SharedMemory, memcg: number, type: GenType): Word => (lruvecWord(m, memcg) + MIN_SEQ + type) as Word;
/** 1 + the CPU that ages the lruvec, or 0. */
export const agingWord = (m: SharedMemory, memcg: number): Word => (lruvecWord(m, memcg) + AGING) as Word;
export const max_seq = (cpu: Cpu, memcg: number): number => READ_ONCE(cpu, maxSeqWord(cpu.memory, memcg));
export const min_seq = (cpu: Cpu, memcg: number, type: GenType): number => READ_ONCE(cpu, minSeqWord(cpu.memory, memcg, type));

export const lru_gen_from_seq = (seq: number): number => seq % MAX_NR_GENS;
export const genTypeOf = (flags: number): GenType => ((flags & PG_swapbacked) !== 0 ? GEN_ANON : GEN_FILE);

/** The task is in a page fault: what it brings in is used through page tables. @kernel current->in_lru_fault */
export const lru_gen_in_fault = (cpu: Cpu): boolean => cpu.words[cpu.percpu + PC_FAULT_VPN] !== 0;

/** The generation for a folio that comes to a list. @locks in: the lruvec's */
export function lru_gen_folio_seq(cpu: Cpu, memcg: number, flags: number): number {
  const type = genTypeOf(flags);
  const workingset = (flags & PG_workingset) !== 0 ? 1 : 0;
  const waits = (flags & PG_reclaim) !== 0 && (flags & (PG_dirty | PG_writeback)) !== 0;
  let gen = MAX_NR_GENS - workingset;
  if ((flags & PG_active) !== 0) gen = MIN_NR_GENS - workingset;
  else if ((type === GEN_ANON && (flags & PG_swapcache) === 0) || waits) gen = MIN_NR_GENS;
  return Math.max(max_seq(cpu, memcg) - gen + 1, min_seq(cpu, memcg, type));
}

/** The generation that a folio says it is of, or -1: it is on no list of generations. Pairs with: folio_update_gen(). */
export const folio_lru_gen = (cpu: Cpu, pfn: Pfn): number => atomic_read(cpu, folioGenWord(cpu.memory, pfn)) - 1;

/** @param gen -1 for none. @locks in: the lruvec's */
export const setFolioGen = (cpu: Cpu, pfn: Pfn, gen: number): void => atomic_set(cpu, folioGenWord(cpu.memory, pfn), gen + 1); // Pairs with: folio_update_gen().

/**
 * A folio was found young: it is of that generation from now on. One that is on no list stays so. The caller keeps the folio; no lock is needed.
 * @returns whether it was of another generation
 */
export function folio_update_gen(cpu: Cpu, pfn: Pfn, gen: number): boolean {
  const word = folioGenWord(cpu.memory, pfn);
  for (;;) {
    const before = atomic_read(cpu, word);
    if (before === 0 || before === gen + 1) return false;
    if (atomic_cmpxchg(cpu, word, before, gen + 1) === before) return true; // Pairs with: setFolioGen(), folio_lru_gen().
  }
}

/** A folio of one generation becomes one of the next, unless it was found young meanwhile: then it says so already. @locks in: the lruvec's */
export const folio_inc_gen = (cpu: Cpu, pfn: Pfn, from: number, to: number): void =>
  void atomic_cmpxchg(cpu, folioGenWord(cpu.memory, pfn), from + 1, to + 1); // Pairs with: folio_update_gen().

/** Is a page of that generation as good as active? @kernel lru_gen_is_active() */
export const lru_gen_is_active = (m: SharedMemory, memcg: number, gen: number): boolean => {
  const youngest = m.words[maxSeqWord(m, memcg)] as number;
  return gen === lru_gen_from_seq(youngest) || gen === lru_gen_from_seq(youngest - 1);
};

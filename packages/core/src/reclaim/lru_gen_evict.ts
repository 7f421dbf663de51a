/**
 * Eviction by generations: the pages of the oldest generation go, but for those that say that they are younger, which move to where they belong. When
 * only the two youngest generations are left, there is aging first.
 * @kernel mm/vmscan.c lru_gen_shrink_lruvec(), try_to_shrink_lruvec(), evict_folios(), scan_folios(), should_run_aging(), try_to_inc_min_seq()
 * @fidelity reduced: files or anonymous memory, whichever has the older generation, files first; no look at the neighbours of a young entry
 * Next: reclaim/shrink_folio_list.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { WRITE_ONCE } from '../memory/atomic.ts';
import { lruPrev, NO_FOLIO } from '../mm/folio.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { genList, lruGenSort, lruLockWord, lruSize, lruTail } from '../mm/lru.ts';
import { GEN_ANON, GEN_FILE, type GenType, lru_gen_from_seq, MIN_NR_GENS, max_seq, min_seq, minSeqWord } from '../mm/lru_gen.ts';
import { get_nr_swap_pages } from '../mm/swapfile.ts';
import { count_vm_events, LRU_GEN_SORTED } from '../trace/counters.ts';
import { try_to_inc_max_seq } from './lru_gen_age.ts';
import { countScan, isolate, type ScanControl, SWAP_CLUSTER_MAX } from './scan_control.ts';
import { shrink_folio_list } from './shrink_folio_list.ts';

/** Scans a cgroup for this priority, or until enough is freed. @locks as shrink_folio_list(), and mmap_lock of processes by trylock */
export function lru_gen_shrink_lruvec(cpu: Cpu, memcg: number, sc: ScanControl): void {
  lru_add_drain(cpu);
  const types: readonly GenType[] = get_nr_swap_pages(cpu.memory) > 0 ? [GEN_FILE, GEN_ANON] : [GEN_FILE];
  for (let left = evictable(cpu, memcg, types) >> sc.priority; left > 0 && sc.reclaimed < sc.wanted; ) {
    const seq = max_seq(cpu, memcg);
    const type = get_type_to_scan(cpu, memcg, types);
    if (min_seq(cpu, memcg, type) + MIN_NR_GENS > seq) {
      // Too few generations to tell old from young. What is old will be seen in the next round.
      try_to_inc_max_seq(cpu, memcg, seq);
      return;
    }
    const scanned = evict_folios(cpu, memcg, type, Math.min(left, SWAP_CLUSTER_MAX), sc);
    if (!try_to_inc_min_seq(cpu, memcg, type) && scanned === 0) return;
    left -= scanned;
  }
}

/** Pages of all generations. */
function evictable(cpu: Cpu, memcg: number, types: readonly GenType[]): number {
  let pages = 0;
  for (const type of types) {
    for (let seq = min_seq(cpu, memcg, type); seq <= max_seq(cpu, memcg); seq++)
      pages += lruSize(cpu.memory, memcg, genList(lru_gen_from_seq(seq), type));
  }
  return pages;
}

/** The one with the older generation; the first of those that are alike. */
const get_type_to_scan = (cpu: Cpu, memcg: number, types: readonly GenType[]): GenType =>
  types.reduce((oldest, type) => (min_seq(cpu, memcg, type) < min_seq(cpu, memcg, oldest) ? type : oldest));

/** @returns pages looked at */
function evict_folios(cpu: Cpu, memcg: number, type: GenType, nr: number, sc: ScanControl): number {
  const { taken, scanned, sorted } = scan_folios(cpu, memcg, type, nr);
  count_vm_events(cpu, LRU_GEN_SORTED, sorted);
  const freed = taken.length === 0 ? 0 : shrink_folio_list(cpu, taken, 'by age');
  countScan(cpu, sc, { file: type === GEN_FILE, scanned, freed });
  return scanned;
}

/** Takes pages at the old end of the oldest generation for the caller, each with a reference. */
function scan_folios(cpu: Cpu, memcg: number, type: GenType, nr: number): { taken: Pfn[]; scanned: number; sorted: number } {
  const m = cpu.memory;
  const taken: Pfn[] = [];
  let scanned = 0;
  let sorted = 0;
  spin_lock(cpu, lruLockWord(m, memcg));
  const list = genList(lru_gen_from_seq(min_seq(cpu, memcg, type)), type);
  for (let pfn = lruTail(m, memcg, list); pfn !== NO_FOLIO && scanned < nr; scanned++) {
    const next = lruPrev(m, pfn);
    if (lruGenSort(cpu, pfn)) sorted++;
    else if (isolate(cpu, pfn)) taken.push(pfn);
    pfn = next;
  }
  spin_unlock(cpu, lruLockWord(m, memcg));
  return { taken, scanned, sorted };
}

/** Oldest generations without pages are over, but for the two youngest. @returns whether one was */
function try_to_inc_min_seq(cpu: Cpu, memcg: number, type: GenType): boolean {
  const m = cpu.memory;
  spin_lock(cpu, lruLockWord(m, memcg));
  const before = min_seq(cpu, memcg, type);
  let seq = before;
  while (seq + MIN_NR_GENS <= max_seq(cpu, memcg) && lruSize(m, memcg, genList(lru_gen_from_seq(seq), type)) === 0) seq++;
  if (seq !== before) WRITE_ONCE(cpu, minSeqWord(m, memcg, type), seq);
  spin_unlock(cpu, lruLockWord(m, memcg));
  return seq !== before;
}

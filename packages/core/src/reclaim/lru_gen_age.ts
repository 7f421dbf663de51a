/**
 * Aging: looks through the page tables of every process of a cgroup for what was used since the last time, and begins a generation. It takes mmap_lock for
 * reading, by trylock, and passes over a process whose lock it does not get. As long as it walks it is a reader like others: a writer that comes
 * meanwhile waits, and everybody who comes after the writer waits behind it.
 *
 *   aging CPU                                 mapping writer                 faulting CPU
 *   1 mmap_lock for reading, by trylock
 *   2 walks
 *                                             3 waits for the lock
 *                                                                            4 waits behind the writer
 *   5 done: unlocks  <- decides: only now 3 goes on, then 4
 *
 * @kernel mm/vmscan.c try_to_inc_max_seq(), inc_max_seq(), inc_min_seq(), walk_mm(), walk_pte_range(), should_skip_vma()
 * @fidelity reduced: one CPU ages a cgroup at a time, the others go on without; every process of the cgroup is walked, also one that has not run since; no
 *   resumption in the middle of an address space
 * Next: reclaim/lru_gen_evict.ts
 */
import type { MmId, Pfn, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, MODE_NONE, MODE_WRITE } from '../locking/held_locks.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_cmpxchg, atomic_set, WRITE_ONCE } from '../memory/atomic.ts';
import { folio_memcg, NO_FOLIO } from '../mm/folio.ts';
import { genList, lruGenSort, lruLockWord, lruTail } from '../mm/lru.ts';
import {
  agingWord,
  folio_inc_gen,
  folio_update_gen,
  GEN_ANON,
  GEN_FILE,
  type GenType,
  lru_gen_from_seq,
  MAX_NR_GENS,
  max_seq,
  maxSeqWord,
  min_seq,
  minSeqWord,
  should_walk_mmu,
} from '../mm/lru_gen.ts';
import { mt_for_each } from '../mm/maple_tree.ts';
import { mm_memcg, mmapLockWord, mmdrop, mmgrabNotZero, mmTree } from '../mm/mm_struct.ts';
import { TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_trylock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { findPteTable, PMD_PAGES, ptep_get, ptep_test_and_clear_young, pteWord } from '../mm/page_table.ts';
import { pte_pfn, pte_present, pte_special } from '../mm/pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_LOCKED, VM_PFNMAP } from '../mm/vm_flags.ts';
import { count_vm_event, LRU_GEN_AGED, LRU_GEN_MM_SKIPPED, LRU_GEN_MM_WALKED, LRU_GEN_YOUNG } from '../trace/counters.ts';
import { at, IN_LRU_GEN_WALK } from '../trace/points.ts';

/**
 * Begins a generation, after a look at what was used, unless another CPU is about to or has done so.
 * @param seq the youngest generation when the caller decided. @locks as reclaim: no spinlock. Takes mmap_lock of processes by trylock. Never sleeps
 * @returns whether there is a generation more now
 */
export function try_to_inc_max_seq(cpu: Cpu, memcg: number, seq: number): boolean {
  const word = agingWord(cpu.memory, memcg);
  if (atomic_cmpxchg(cpu, word, 0, cpu.id + 1) !== 0) return false; // Acquire: all of the last aging. Pairs with: the release below.
  const mine = max_seq(cpu, memcg) === seq;
  if (mine) {
    if (should_walk_mmu(cpu.memory)) walkProcesses(cpu, memcg, lru_gen_from_seq(seq));
    inc_max_seq(cpu, memcg, seq);
  }
  atomic_set(cpu, word, 0); // Release. Pairs with: the acquire above.
  return mine;
}

/** Each record is pinned while it is looked at; whether its process is about to end shows under its mmap_lock: then there is nothing to see. */
function walkProcesses(cpu: Cpu, memcg: number, gen: number): void {
  for (let slot = 1; slot <= cpu.memory.size.mms; slot++) {
    const mm = slot as MmId;
    if (!mmgrabNotZero(cpu, mm)) continue;
    if (mm_memcg(cpu.memory, mm) === memcg) walk_mm(cpu, mm, memcg, gen);
    mmdrop(cpu, mm);
  }
}

/**
 * @locks in: perhaps the mmap_lock of this very process, because its own fault or call is short of memory: for reading it serves for the walk, too, for
 *   writing the process is passed over
 */
function walk_mm(cpu: Cpu, mm: MmId, memcg: number, gen: number): void {
  const mine = heldMode(cpu, mmapLockWord(cpu.memory, mm));
  if (mine === MODE_WRITE || (mine === MODE_NONE && !mmap_read_trylock(cpu, mm))) {
    count_vm_event(cpu, LRU_GEN_MM_SKIPPED);
    return;
  }
  count_vm_event(cpu, LRU_GEN_MM_WALKED);
  mt_for_each(cpu, mmTree(cpu.memory, mm), 0 as Vpn, TASK_SIZE_VPN as Vpn, (vma) => {
    if ((vm_flags(cpu.memory, vma) & (VM_LOCKED | VM_PFNMAP)) === 0) walkArea(cpu, mm, vma, memcg, gen);
  });
  at(cpu, IN_LRU_GEN_WALK);
  if (mine === MODE_NONE) mmap_read_unlock(cpu, mm);
}

/** @locks in: mmap read */
function walkArea(cpu: Cpu, mm: MmId, vma: VmaId, memcg: number, gen: number): void {
  const end = vm_end(cpu.memory, vma);
  for (let vpn = vm_start(cpu.memory, vma) as number; vpn < end; ) {
    const last = Math.min((Math.floor(vpn / PMD_PAGES) + 1) * PMD_PAGES, end);
    const table = findPteTable(cpu, mm, vpn as Vpn);
    if (table !== NO_TABLE) walk_pte_range(cpu, { table, first: vpn, last, memcg, gen });
    vpn = last;
  }
}

interface PteWalk {
  readonly table: TableId;
  readonly first: number;
  readonly last: number;
  readonly memcg: number;
  readonly gen: number;
}

/** A page of another cgroup keeps its mark: the walk of that one will ask for it. No TLB is flushed, as in reclaim/folio_referenced.ts. */
function walk_pte_range(cpu: Cpu, { table, first, last, memcg, gen }: PteWalk): void {
  pte_offset_map_lock(cpu, table, first as Vpn);
  for (let vpn = first; vpn < last; vpn++) {
    const entry = pteWord(cpu.memory, table, vpn as Vpn);
    const pte = ptep_get(cpu, entry);
    if (!pte_present(pte) || pte_special(pte)) continue;
    const pfn = pte_pfn(pte);
    if (folio_memcg(cpu.memory, pfn) !== memcg || !ptep_test_and_clear_young(cpu, entry)) continue;
    count_vm_event(cpu, LRU_GEN_YOUNG);
    folio_update_gen(cpu, pfn, gen);
  }
  pte_unmap_unlock(cpu, table);
}

/** @locks in: the word of aging */
function inc_max_seq(cpu: Cpu, memcg: number, seq: number): void {
  const lock = lruLockWord(cpu.memory, memcg);
  spin_lock(cpu, lock);
  for (const type of [GEN_ANON, GEN_FILE] as const) {
    if (seq - min_seq(cpu, memcg, type) + 1 === MAX_NR_GENS) inc_min_seq(cpu, memcg, type);
  }
  WRITE_ONCE(cpu, maxSeqWord(cpu.memory, memcg), seq + 1);
  spin_unlock(cpu, lock);
  count_vm_event(cpu, LRU_GEN_AGED);
}

/** The oldest generation is joined with the next, because its number is needed again. @locks in: the lruvec's */
function inc_min_seq(cpu: Cpu, memcg: number, type: GenType): void {
  const m = cpu.memory;
  const oldest = min_seq(cpu, memcg, type);
  const from = lru_gen_from_seq(oldest);
  for (let pfn: Pfn = lruTail(m, memcg, genList(from, type)); pfn !== NO_FOLIO; pfn = lruTail(m, memcg, genList(from, type))) {
    folio_inc_gen(cpu, pfn, from, lru_gen_from_seq(oldest + 1));
    lruGenSort(cpu, pfn);
  }
  WRITE_ONCE(cpu, minSeqWord(m, memcg, type), oldest + 1);
}

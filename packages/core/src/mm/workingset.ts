/**
 * How long was a page away? Where reclaim takes a page from, it leaves a shadow: the time by a clock that ticks with every eviction and activation. When
 * the page comes back, the ticks since then are the pages that it would have had to survive. If the active list could have spared so many, the page
 * belongs there, and starts active.
 *
 *       fault ---> inactive list ---> evicted: shadow (clock E)
 *                       |                          |
 *                   activated                 refault: clock R
 *                       v                          |
 *                  active list  <------------------+   R - E <= size of what is active
 *
 * @kernel mm/workingset.c workingset_eviction(), workingset_refault(), workingset_age_nonresident(), workingset_activation(), lru_gen_eviction(), lru_gen_refault()
 * @fidelity reduced: shadows live as long as the file, or as the slot in swap is used
 * Next: mm/filemap.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, READ_ONCE } from '../memory/atomic.ts';
import {
  count_vm_event,
  WORKINGSET_ACTIVATE_ANON,
  WORKINGSET_ACTIVATE_FILE,
  WORKINGSET_REFAULT_ANON,
  WORKINGSET_REFAULT_FILE,
  WORKINGSET_RESTORE_ANON,
  WORKINGSET_RESTORE_FILE,
} from '../trace/counters.ts';
import { folio_flags, folio_memcg, folioSet, folioTest, PG_active, PG_swapbacked, PG_workingset } from './folio.ts';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  lruSize,
  nonresidentAgeWord,
  refaultsWord,
} from './lru.ts';
import { genTypeOf, lru_gen_enabled, lru_gen_in_fault, MAX_NR_GENS, max_seq, min_seq } from './lru_gen.ts';
import { xa_mk_value, xa_to_value } from './swap_entry.ts';
import { get_nr_swap_pages } from './swapfile.ts';

// A shadow: the clock, whether the page had been in use, the cgroup.
const MEMCG_BITS = 4;
const WORKINGSET_BITS = 1;
const CLOCK_SHIFT = MEMCG_BITS + WORKINGSET_BITS;
const CLOCK_MASK = (1 << (31 - CLOCK_SHIFT)) - 1;

/** The clock moves on. @kernel workingset_age_nonresident() */
export function workingset_age_nonresident(cpu: Cpu, memcg: number): number {
  return atomic_fetch_add(cpu, nonresidentAgeWord(cpu.memory, memcg), 1); // Alone: a clock.
}

/** @returns the shadow of a folio that is leaving its cache, as a number for the tree. @locks in: the folio's */
export function workingset_eviction(cpu: Cpu, pfn: Pfn): number {
  const memcg = folio_memcg(cpu.memory, pfn);
  const clock = (lru_gen_enabled(cpu.memory) ? genOfFolio(cpu, pfn, memcg) : workingset_age_nonresident(cpu, memcg)) & CLOCK_MASK;
  const used = folioTest(cpu, pfn, PG_workingset) ? 1 : 0;
  return xa_mk_value((clock << CLOCK_SHIFT) | (used << MEMCG_BITS) | memcg);
}

/** A folio comes back whose shadow was found: it becomes active if it was not away for long. @locks in: the folio's; it is on no list yet */
export function workingset_refault(cpu: Cpu, pfn: Pfn, number: number): void {
  const m = cpu.memory;
  const shadow = xa_to_value(number);
  const memcg = shadow & ((1 << MEMCG_BITS) - 1);
  const used = ((shadow >>> MEMCG_BITS) & 1) === 1;
  const file = !folioTest(cpu, pfn, PG_swapbacked);
  count_vm_event(cpu, file ? WORKINGSET_REFAULT_FILE : WORKINGSET_REFAULT_ANON);
  if (lru_gen_enabled(m)) {
    lru_gen_refault(cpu, pfn, { memcg, seq: shadow >>> CLOCK_SHIFT, used }, file);
    return;
  }
  const now = READ_ONCE(cpu, nonresidentAgeWord(m, memcg));
  const distance = (now - (shadow >>> CLOCK_SHIFT)) & CLOCK_MASK;
  if (distance > workingsetSize(cpu, memcg, file)) return;
  folioSet(cpu, pfn, PG_active); // Alone: it goes to the active list with this.
  workingset_age_nonresident(cpu, memcg);
  count_vm_event(cpu, file ? WORKINGSET_ACTIVATE_FILE : WORKINGSET_ACTIVATE_ANON);
  if (!used) return;
  folioSet(cpu, pfn, PG_workingset); // Pairs with: the wait for its lock, which is thrashing.
  atomic_fetch_add(cpu, refaultsWord(m, memcg), 1); // Alone: a count.
  count_vm_event(cpu, file ? WORKINGSET_RESTORE_FILE : WORKINGSET_RESTORE_ANON);
}

/** With generations the clock is the number of the oldest one. @kernel lru_gen_eviction() */
const genOfFolio = (cpu: Cpu, pfn: Pfn, memcg: number): number => min_seq(cpu, memcg, genTypeOf(folio_flags(cpu, pfn)));

/** A page that comes back while generations are there that were when it went. One that a fault brings becomes active in folio_add_lru(). */
function lru_gen_refault(cpu: Cpu, pfn: Pfn, was: { memcg: number; seq: number; used: boolean }, file: boolean): void {
  const age = (max_seq(cpu, was.memcg) - was.seq) & CLOCK_MASK;
  if (age >= MAX_NR_GENS) return;
  if (lru_gen_in_fault(cpu)) count_vm_event(cpu, file ? WORKINGSET_ACTIVATE_FILE : WORKINGSET_ACTIVATE_ANON);
  if (!was.used) return;
  folioSet(cpu, pfn, PG_workingset); // Pairs with: the wait for its lock, which is thrashing.
  count_vm_event(cpu, file ? WORKINGSET_RESTORE_FILE : WORKINGSET_RESTORE_ANON);
}

/** Pages with which the one that comes back competes. */
function workingsetSize({ memory: m }: Cpu, memcg: number, file: boolean): number {
  let size = lruSize(m, memcg, LRU_ACTIVE_FILE);
  if (!file) size += lruSize(m, memcg, LRU_INACTIVE_FILE);
  if (get_nr_swap_pages(m) > 0) size += lruSize(m, memcg, LRU_ACTIVE_ANON) + (file ? lruSize(m, memcg, LRU_INACTIVE_ANON) : 0);
  return size;
}

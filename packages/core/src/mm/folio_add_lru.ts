/**
 * Pages on their way to the lists: each CPU collects some, so that it takes the lock of a list rarely. A page in a batch has one reference more, and
 * nobody can isolate it.
 *
 *   adding CPU                                reclaiming CPU
 *   1 batch: the folio, and a reference
 *                                             2 finds it by another way: one reference too many  <- decides: it stays
 *   3 the batch is full: list, reference back
 *
 * @kernel mm/swap.c folio_add_lru(), lru_add_drain_cpu(), folio_mark_accessed(), folio_activate(); include/linux/pagevec.h struct folio_batch
 * @fidelity reduced: activation goes to the list at once, without a batch
 * Next: mm/workingset.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { LRU_BATCH_WORDS, PC_LRU_BATCH, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { count_vm_event, PGACTIVATE } from '../trace/counters.ts';
import { folio_get, folio_memcg, folioClear, folioSet, folioTest, PG_active, PG_lru, PG_referenced } from './folio.ts';
import { lruChange, lruLockWord, lruvec_add_folio } from './lru.ts';
import { lruOn } from './memcg.ts';
import { folio_put } from './page_alloc.ts';
import { workingset_age_nonresident } from './workingset.ts';

/** @kernel PAGEVEC_SIZE */
const BATCH = 31;
assert(BATCH + 1 <= LRU_BATCH_WORDS, 'folio_add_lru: the batch has another size in memory/percpu.ts');
const ENTRIES = PC_LRU_BATCH + 1;

/** Puts a fresh folio on its way to a list. The caller has a reference; spinlocks of higher layers may be held. Never sleeps. Nothing happens with LRU off. */
export function folio_add_lru(cpu: Cpu, pfn: Pfn): void {
  if (!lruOn(cpu.memory)) return;
  invariant(!folioTest(cpu, pfn, PG_lru), 'I33', 'folio_add_lru: the folio is on a list already');
  folio_get(cpu, pfn);
  const count = cpu.words[cpu.percpu + PC_LRU_BATCH] as number;
  cpu.words[cpu.percpu + ENTRIES + count] = pfn;
  cpu.words[cpu.percpu + PC_LRU_BATCH] = count + 1;
  if (count + 1 === BATCH) lru_add_drain(cpu);
}

/** Empties the batch of this CPU. Never sleeps. */
export function lru_add_drain(cpu: Cpu): void {
  const m = cpu.memory;
  const count = cpu.words[cpu.percpu + PC_LRU_BATCH] as number;
  if (count === 0) return;
  const at = (i: number): Pfn => cpu.words[cpu.percpu + ENTRIES + i] as Pfn;
  for (let i = 0; i < count; ) {
    const memcg = folio_memcg(m, at(i));
    spin_lock(cpu, lruLockWord(m, memcg));
    for (; i < count && folio_memcg(m, at(i)) === memcg; i++) lruvec_add_folio(cpu, at(i));
    spin_unlock(cpu, lruLockWord(m, memcg));
  }
  cpu.words[cpu.percpu + PC_LRU_BATCH] = 0;
  for (let i = 0; i < count; i++) folio_put(cpu, at(i)); // Cannot add to the batch.
}

/** The pages in the batch of a CPU, for checkers on a machine at rest. */
export function lruBatch(m: SharedMemory, id: number): Pfn[] {
  const block = percpuBase(m.percpuAt, id as Cpu['id']);
  return Array.from({ length: m.words[block + PC_LRU_BATCH] as number }, (_, i) => m.words[block + ENTRIES + i] as Pfn);
}

/** Makes a folio active. One that is in a batch becomes active on its way. @kernel folio_activate() */
export function folio_activate(cpu: Cpu, pfn: Pfn): void {
  if (folioTest(cpu, pfn, PG_active)) return;
  if (lruChange(cpu, pfn, PG_active, 0)) count_vm_event(cpu, PGACTIVATE);
  else if (isInBatch(cpu, pfn))
    folioSet(cpu, pfn, PG_active); // Alone: it goes to the active list with this.
  else return;
  workingset_age_nonresident(cpu, folio_memcg(cpu.memory, pfn));
}

/** The youngest pages are at the end. @kernel __lru_cache_activate_folio() */
function isInBatch(cpu: Cpu, pfn: Pfn): boolean {
  for (let i = (cpu.words[cpu.percpu + PC_LRU_BATCH] as number) - 1; i >= 0; i--)
    if (cpu.words[cpu.percpu + ENTRIES + i] === pfn) return true;
  return false;
}

/** Somebody used the page: the first time that is noted, the second time it becomes active. Never sleeps. */
export function folio_mark_accessed(cpu: Cpu, pfn: Pfn): void {
  if (!lruOn(cpu.memory)) return;
  if (!folioTest(cpu, pfn, PG_referenced)) {
    folioSet(cpu, pfn, PG_referenced); // Alone: a hint.
    return;
  }
  if (folioTest(cpu, pfn, PG_active)) return;
  folio_activate(cpu, pfn);
  if (folioTest(cpu, pfn, PG_active)) folioClear(cpu, pfn, PG_referenced); // Alone: a hint.
}

/**
 * Pages on their way to the lists: each CPU collects some, so that it takes the lock of a list rarely. A page in a batch has one reference more, and
 * nobody can isolate it. Whoever needs the pages of all batches on their lists empties those of the others too: an entry belongs to him who
 * takes it out.
 *
 *   adding CPU                                CPU that drains all
 *   1 entry: the folio, and a reference
 *                                             2 xchg: the folio, and none  <- decides: the folio and its reference are this CPU's
 *   3 the batch is full; xchg: nothing there
 *                                             4 list, reference back
 *
 * @kernel mm/swap.c folio_add_lru(), lru_add_drain_cpu(), lru_add_drain_all(), folio_mark_accessed(), folio_activate(); include/linux/pagevec.h
 *   struct folio_batch
 * @fidelity reduced: activation goes to the list at once, without a batch; who drains all does so himself, where the kernel gives work to every CPU
 * Next: mm/workingset.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { Pfn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_set, atomic_xchg, READ_ONCE } from '../memory/atomic.ts';
import { LRU_BATCH_WORDS, PC_LRU_BATCH, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { count_vm_event, PGACTIVATE } from '../trace/counters.ts';
import {
  folio_get,
  folio_memcg,
  folioClear,
  folioSet,
  folioTest,
  NO_FOLIO,
  PG_active,
  PG_lru,
  PG_referenced,
  PG_workingset,
} from './folio.ts';
import { lruChange, lruLockWord, lruvec_add_folio } from './lru.ts';
import { lru_gen_enabled, lru_gen_in_fault } from './lru_gen.ts';
import { lruOn } from './memcg.ts';
import { folio_put } from './page_alloc.ts';
import { workingset_age_nonresident } from './workingset.ts';

/** @kernel PAGEVEC_SIZE */
const BATCH = 31;
assert(BATCH + 1 <= LRU_BATCH_WORDS, 'folio_add_lru: the batch has another size in memory/percpu.ts');
/** The count before them is for the CPU itself alone: entries below it may have been emptied. */
const ENTRIES = PC_LRU_BATCH + 1;
const NO_LOCK = 0 as Word;

/** Puts a fresh folio on its way to a list. The caller has a reference; spinlocks of higher layers may be held. Never sleeps. Nothing happens with LRU off. */
export function folio_add_lru(cpu: Cpu, pfn: Pfn): void {
  if (!lruOn(cpu.memory)) return;
  invariant(!folioTest(cpu, pfn, PG_lru), 'I33', 'folio_add_lru: the folio is on a list already');
  // Alone: what a fault brings is used through page tables, and young with this.
  if (lru_gen_enabled(cpu.memory) && lru_gen_in_fault(cpu)) folioSet(cpu, pfn, PG_active);
  folio_get(cpu, pfn);
  const count = cpu.words[cpu.percpu + PC_LRU_BATCH] as number;
  atomic_set(cpu, (cpu.percpu + ENTRIES + count) as Word, pfn); // Release: what the folio is. Pairs with: drain() of another CPU.
  cpu.words[cpu.percpu + PC_LRU_BATCH] = count + 1;
  if (count + 1 === BATCH) lru_add_drain(cpu);
}

/** Empties the batch of this CPU. Never sleeps. */
export function lru_add_drain(cpu: Cpu): void {
  const count = cpu.words[cpu.percpu + PC_LRU_BATCH] as number;
  if (count === 0) return;
  drain(cpu, cpu.percpu, count);
  cpu.words[cpu.percpu + PC_LRU_BATCH] = 0;
}

/** Empties the batches of all CPUs: what was added before is on its list afterwards. Never sleeps. Much dearer than lru_add_drain(). */
export function lru_add_drain_all(cpu: Cpu): void {
  const m = cpu.memory;
  if (!lruOn(m)) return;
  lru_add_drain(cpu);
  for (let id = 0; id < m.size.cpus; id++) if (id !== cpu.id) drain(cpu, percpuBase(m.percpuAt, id as Cpu['id']), BATCH);
}

/** Takes the folios out of the first entries of a batch and brings them to their lists. The batch may be another CPU's, who goes on adding. */
function drain(cpu: Cpu, block: Word, entries: number): void {
  const m = cpu.memory;
  const taken: Pfn[] = [];
  let lock: Word = NO_LOCK;
  for (let i = 0; i < entries; i++) {
    const entry = (block + ENTRIES + i) as Word;
    if (block !== cpu.percpu && READ_ONCE(cpu, entry) === NO_FOLIO) continue; // Alone: a hint; one that comes just now came too late.
    const pfn = atomic_xchg(cpu, entry, NO_FOLIO) as Pfn; // Acquire. Pairs with: folio_add_lru(), and the same of another CPU.
    if (pfn === NO_FOLIO) continue;
    taken.push(pfn);
    const wanted = lruLockWord(m, folio_memcg(m, pfn));
    if (wanted !== lock) {
      if (lock !== NO_LOCK) spin_unlock(cpu, lock);
      spin_lock(cpu, wanted);
      lock = wanted;
    }
    lruvec_add_folio(cpu, pfn);
  }
  if (lock !== NO_LOCK) spin_unlock(cpu, lock);
  for (const pfn of taken) folio_put(cpu, pfn); // Cannot add to the batch.
}

/** The pages in the batch of a CPU, for checkers on a machine at rest. */
export function lruBatch(m: SharedMemory, id: number): Pfn[] {
  const block = percpuBase(m.percpuAt, id as Cpu['id']);
  const entries = Array.from({ length: BATCH }, (_, i) => m.words[block + ENTRIES + i] as Pfn);
  return entries.filter((pfn) => pfn !== NO_FOLIO);
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
  if (lru_gen_enabled(cpu.memory)) {
    folioSet(cpu, pfn, PG_workingset); // Alone: a hint. With generations nothing moves for a use through a file descriptor.
    return;
  }
  if (folioTest(cpu, pfn, PG_active)) return;
  folio_activate(cpu, pfn);
  if (folioTest(cpu, pfn, PG_active)) folioClear(cpu, pfn, PG_referenced); // Alone: a hint.
}

/**
 * Pages on their way to the lists: each CPU collects some, so that it takes the lock of a list rarely. A page in a batch has one reference more, and
 * nobody can isolate it. Whoever needs the pages of all batches on their lists empties those of the others too. A CPU adds to its batch without
 * a lock, and everybody empties it under one.
 *
 *   adding CPU                                CPU that drains all (the batch's lock held)
 *   1 entry n: the folio
 *   2 the batch's reference: a full barrier
 *                                             3 count is n: takes the entries before n  <- decides: n has come too late, and stays
 *   4 count = n + 1
 *                                             5 taken = n
 *   6 the batch is full: the lock; entries from n on go to their lists
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
import { atomic_read, READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { LRU_BATCH_WORDS, PC_LRU_BATCH, PC_LRU_LOCK, PC_LRU_TAKEN, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { count_vm_event, PGACTIVATE } from '../trace/counters.ts';
import { folio_get, folio_memcg, folioClear, folioSet, folioTest, PG_active, PG_lru, PG_referenced, PG_workingset } from './folio.ts';
import { lruChange, lruLockWord, lruvec_add_folio } from './lru.ts';
import { lru_gen_enabled, lru_gen_in_fault } from './lru_gen.ts';
import { lruOn } from './memcg.ts';
import { folio_put_testzero, freeFolios } from './page_alloc.ts';
import { workingset_age_nonresident } from './workingset.ts';

/** @kernel PAGEVEC_SIZE */
const BATCH = 31;
assert(BATCH + 1 <= LRU_BATCH_WORDS, 'folio_add_lru: the batch has another size in memory/percpu.ts');
/** The entries come after their count, which only the CPU itself changes. Those before PC_LRU_TAKEN are history. */
const ENTRIES = PC_LRU_BATCH + 1;
const NO_LOCK = 0 as Word;

/** Puts a fresh folio on its way to a list. The caller has a reference; spinlocks of higher layers may be held. Never sleeps. Nothing happens with LRU off. */
export function folio_add_lru(cpu: Cpu, pfn: Pfn): void {
  if (!lruOn(cpu.memory)) return;
  invariant(!folioTest(cpu, pfn, PG_lru), 'I33', 'folio_add_lru: the folio is on a list already');
  // Alone: what a fault brings is used through page tables, and young with this.
  if (lru_gen_enabled(cpu.memory) && lru_gen_in_fault(cpu)) folioSet(cpu, pfn, PG_active);
  const { words, percpu } = cpu;
  const count = words[percpu + PC_LRU_BATCH] as number;
  WRITE_ONCE(cpu, (percpu + ENTRIES + count) as Word, pfn);
  folio_get(cpu, pfn); // Full: the entry comes before its count. Pairs with: drain() of another CPU.
  WRITE_ONCE(cpu, (percpu + PC_LRU_BATCH) as Word, count + 1);
  if (count + 1 === BATCH) lru_add_drain(cpu);
}

/** Empties the batch of this CPU. Never sleeps. */
export function lru_add_drain(cpu: Cpu): void {
  const { words, percpu } = cpu;
  const count = words[percpu + PC_LRU_BATCH] as number;
  if (count === 0) return;
  const lock = (percpu + PC_LRU_LOCK) as Word;
  spin_lock(cpu, lock);
  const last = drain(cpu, percpu, words[percpu + PC_LRU_TAKEN] as number, count);
  words[percpu + PC_LRU_TAKEN] = 0;
  WRITE_ONCE(cpu, (percpu + PC_LRU_BATCH) as Word, 0); // Alone: under the lock.
  spin_unlock(cpu, lock);
  if (last !== undefined) freeFolios(cpu, last);
}

/** Empties the batches of all CPUs: what was added before is on its list afterwards. Never sleeps. Much dearer than lru_add_drain(). */
export function lru_add_drain_all(cpu: Cpu): void {
  const m = cpu.memory;
  if (!lruOn(m)) return;
  lru_add_drain(cpu);
  for (let id = 0; id < m.size.cpus; id++) if (id !== cpu.id) lru_add_drain_cpu(cpu, percpuBase(m.percpuAt, id as Cpu['id']));
}

/** Empties the batch of another CPU, which goes on adding. */
function lru_add_drain_cpu(cpu: Cpu, block: Word): void {
  const { words } = cpu;
  if (READ_ONCE(cpu, (block + PC_LRU_BATCH) as Word) === 0) return; // Alone: a hint; what is added just now came too late.
  const lock = (block + PC_LRU_LOCK) as Word;
  spin_lock(cpu, lock);
  const count = atomic_read(cpu, (block + PC_LRU_BATCH) as Word); // Acquire: the entries. Pairs with: folio_add_lru().
  const last = drain(cpu, block, words[block + PC_LRU_TAKEN] as number, count);
  words[block + PC_LRU_TAKEN] = count;
  spin_unlock(cpu, lock);
  if (last !== undefined) freeFolios(cpu, last);
}

/**
 * Brings the entries [from, to) of a batch to their lists, and drops the batch's references.
 * @locks in: the batch's. @returns the folios whose last reference that was, or undefined: the caller frees them, with no lock
 */
function drain(cpu: Cpu, block: Word, from: number, to: number): Pfn[] | undefined {
  const m = cpu.memory;
  let last: Pfn[] | undefined;
  let lock: Word = NO_LOCK;
  for (let i = from; i < to; i++) {
    const pfn = cpu.words[block + ENTRIES + i] as Pfn;
    const wanted = lruLockWord(m, folio_memcg(m, pfn));
    if (wanted !== lock) {
      if (lock !== NO_LOCK) spin_unlock(cpu, lock);
      spin_lock(cpu, wanted);
      lock = wanted;
    }
    lruvec_add_folio(cpu, pfn);
    if (folio_put_testzero(cpu, pfn)) {
      last ??= [];
      last.push(pfn);
    }
  }
  if (lock !== NO_LOCK) spin_unlock(cpu, lock);
  return last;
}

/** The pages in the batch of a CPU, for checkers on a machine at rest. */
export function lruBatch(m: SharedMemory, id: number): Pfn[] {
  const block = percpuBase(m.percpuAt, id as Cpu['id']);
  const taken = m.words[block + PC_LRU_TAKEN] as number;
  const count = m.words[block + PC_LRU_BATCH] as number;
  return Array.from({ length: count - taken }, (_, i) => m.words[block + ENTRIES + taken + i] as Pfn);
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
  const taken = cpu.words[cpu.percpu + PC_LRU_TAKEN] as number; // A glance: the page may be on its way to the list just now.
  for (let i = (cpu.words[cpu.percpu + PC_LRU_BATCH] as number) - 1; i >= taken; i--)
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

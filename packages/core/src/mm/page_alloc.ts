/**
 * The frame allocator: one free list under a spinlock, and a small stock on each CPU so that a fault rarely takes the lock.
 * It never sleeps and never reclaims. Frame 0 is the shared zero page.
 * @kernel mm/page_alloc.c (zone free list, per-CPU pagesets)
 * @fidelity reduced: one zone, order 0 only, no watermarks
 * Next: mm/rmap.ts
 */
import { assert, invariant } from '../base/assert.ts';
import type { CpuId, Pfn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add, atomic_set } from '../memory/atomic.ts';
import { H_ZONE } from '../memory/header.ts';
import { PC_PCP_COUNT, PC_PCP_HEAD, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { count_vm_event, PGALLOC, PGFREE } from '../trace/counters.ts';
import { ALLOC_FRAME } from '../trace/injector.ts';
import {
  bumpFolioGeneration,
  folio_memcg,
  folioFlagsWord,
  folioMapcountWord,
  folioMapping,
  folioRefcountWord,
  GUP_PIN_COUNTING_BIAS,
  lruNext,
  NO_FOLIO,
  PG_uptodate,
  resetFolio,
  setLruNext,
  ZERO_PFN,
} from './folio.ts';
import { pageCacheRelease, pageCacheReleaseAll } from './lru.ts';
import { lruOn, unchargePage } from './memcg.ts';

const ZONE_LOCK: Word = H_ZONE;
const ZONE_HEAD = (H_ZONE + 1) as Word;
const ZONE_FREE = (H_ZONE + 2) as Word;

/** Frames moved between a CPU's stock and the zone at once, and the largest stock. */
const PCP_BATCH = 31;
const PCP_HIGH = 2 * PCP_BATCH;

/** Puts every frame but the zero page on the free list. Once, at boot, before any CPU runs. */
export function initZone(m: SharedMemory): void {
  const frames = m.size.frames;
  if (frames === 0) return;
  m.words[folioRefcountWord(m, ZERO_PFN)] = 1;
  m.words[folioFlagsWord(m, ZERO_PFN)] = PG_uptodate;
  bumpFolioGeneration(m, ZERO_PFN);
  for (let pfn = 1; pfn < frames; pfn++) setLruNext(m, pfn as Pfn, (pfn + 1 < frames ? pfn + 1 : NO_FOLIO) as Pfn);
  m.words[ZONE_HEAD] = frames > 1 ? 1 : NO_FOLIO;
  m.words[ZONE_FREE] = frames - 1;
}

/** Free frames of the zone and of all CPUs. Exact on an idle machine. */
export function nr_free_pages(m: SharedMemory): number {
  let free = m.words[ZONE_FREE] as number;
  for (let cpu = 0; cpu < m.size.cpus; cpu++)
    free += m.words[m.percpuAt + cpu * (m.layout.regions.percpu.words / m.size.cpus) + PC_PCP_COUNT] as number;
  return free;
}

/**
 * Are fewer frames free than a mark says? What the zone has answers that usually; the stocks of the CPUs are counted only if not.
 * @kernel zone_watermark_ok()
 */
export const nrFreeBelow = (m: SharedMemory, mark: number): boolean => (m.words[ZONE_FREE] as number) < mark && nr_free_pages(m) < mark;

/** A list of free frames, for checkers: the zone's, then one for each CPU. Exact on an idle machine. */
export interface FreeList {
  readonly name: string;
  readonly head: Pfn;
  /** Its length, as noted beside it. */
  readonly count: number;
}

export function freeLists(m: SharedMemory): FreeList[] {
  const lists: FreeList[] = [{ name: 'the zone', head: m.words[ZONE_HEAD] as Pfn, count: m.words[ZONE_FREE] as number }];
  for (let id = 0; id < m.size.cpus; id++) {
    const block = percpuBase(m.percpuAt, id as CpuId);
    lists.push({ name: `CPU ${id}`, head: m.words[block + PC_PCP_HEAD] as Pfn, count: m.words[block + PC_PCP_COUNT] as number });
  }
  return lists;
}

/** The lock of the zone's list. */
export const zoneLockWord: Word = ZONE_LOCK;

/**
 * One frame with one reference and the previous owner's contents, or NO_FOLIO when memory is out. Never sleeps.
 * @kernel alloc_pages() with order 0 and no reclaim
 */
export function alloc_page(cpu: Cpu): Pfn {
  if (cpu.inject?.failsAllocation(ALLOC_FRAME) === true) return NO_FOLIO;
  const m = cpu.memory;
  let pfn = cpu.words[cpu.percpu + PC_PCP_HEAD] as Pfn;
  if (pfn === NO_FOLIO) {
    rmqueue_bulk(cpu);
    pfn = cpu.words[cpu.percpu + PC_PCP_HEAD] as Pfn;
    if (pfn === NO_FOLIO) return NO_FOLIO;
  }
  cpu.words[cpu.percpu + PC_PCP_HEAD] = lruNext(m, pfn);
  cpu.words[cpu.percpu + PC_PCP_COUNT] = (cpu.words[cpu.percpu + PC_PCP_COUNT] as number) - 1;
  resetFolio(cpu, pfn);
  bumpFolioGeneration(m, pfn);
  atomic_set(cpu, folioRefcountWord(m, pfn), 1); // Release: a reader that takes a reference sees the reset record.
  count_vm_event(cpu, PGALLOC);
  return pfn;
}

function rmqueue_bulk(cpu: Cpu): void {
  const m = cpu.memory;
  spin_lock(cpu, ZONE_LOCK);
  let head = m.words[ZONE_HEAD] as Pfn;
  let count = 0;
  const first = head;
  let last: Pfn = NO_FOLIO;
  while (head !== NO_FOLIO && count < PCP_BATCH) {
    last = head;
    head = lruNext(m, head);
    count++;
  }
  m.words[ZONE_HEAD] = head;
  m.words[ZONE_FREE] = (m.words[ZONE_FREE] as number) - count;
  spin_unlock(cpu, ZONE_LOCK);
  if (count === 0) return;
  setLruNext(m, last, NO_FOLIO);
  cpu.words[cpu.percpu + PC_PCP_HEAD] = first;
  cpu.words[cpu.percpu + PC_PCP_COUNT] = count;
}

/** Drops a reference; the last one frees the frame. Never sleeps. @kernel folio_put() */
export function folio_put(cpu: Cpu, pfn: Pfn): void {
  // Release: this CPU's use of the page is over. Pairs with: the same decrement of the CPU that frees.
  const before = atomic_fetch_add(cpu, folioRefcountWord(cpu.memory, pfn), -1);
  invariant(before > 0, 'I17', 'folio_put: the folio had no reference left');
  if (before === 1) freeFrame(cpu, pfn);
}

/** Drops a reference. @returns whether it was the last one: then the caller frees the frame, with freeFolios() */
export function folio_put_testzero(cpu: Cpu, pfn: Pfn): boolean {
  const before = atomic_fetch_add(cpu, folioRefcountWord(cpu.memory, pfn), -1); // As in folio_put().
  invariant(before > 0, 'I17', 'folio_put: the folio had no reference left');
  return before === 1;
}

/** Drops a reference of each; the lock of a list of pages is taken once for many that are freed. Never sleeps. @kernel folios_put() */
export function folios_put(cpu: Cpu, pfns: readonly Pfn[]): void {
  if (!lruOn(cpu.memory)) {
    for (const pfn of pfns) folio_put(cpu, pfn);
    return;
  }
  freeFolios(
    cpu,
    pfns.filter((pfn) => folio_put_testzero(cpu, pfn)),
  );
}

/** Frees frames without a reference. Never sleeps. @kernel folios_put_refs() */
export function freeFolios(cpu: Cpu, pfns: readonly Pfn[]): void {
  pageCacheReleaseAll(cpu, pfns);
  for (const pfn of pfns) freeFrame(cpu, pfn);
}

/** Drops a pin. @kernel unpin_user_page() */
export function unpin_user_page(cpu: Cpu, pfn: Pfn): void {
  const before = atomic_fetch_add(cpu, folioRefcountWord(cpu.memory, pfn), -GUP_PIN_COUNTING_BIAS); // As in folio_put().
  invariant(before >= GUP_PIN_COUNTING_BIAS, 'I17', 'unpin_user_page: the folio was not pinned');
  if (before === GUP_PIN_COUNTING_BIAS) freeFrame(cpu, pfn);
}

function freeFrame(cpu: Cpu, pfn: Pfn): void {
  const m = cpu.memory;
  assert(pfn !== ZERO_PFN, 'freeFrame: the zero page is never freed');
  invariant(m.words[folioMapcountWord(m, pfn)] === 0, 'I16', 'freeFrame: a PTE still maps the folio');
  if (lruOn(m)) {
    pageCacheRelease(cpu, pfn);
    if (folio_memcg(m, pfn) !== 0) unchargePage(cpu, folio_memcg(m, pfn));
  }
  if ((folioMapping(cpu, pfn) & 1) !== 0) resetFolio(cpu, pfn);
  invariant(folioMapping(cpu, pfn) === 0, 'I16', 'freeFrame: the folio is still in a page cache');
  bumpFolioGeneration(m, pfn);
  setLruNext(m, pfn, cpu.words[cpu.percpu + PC_PCP_HEAD] as Pfn);
  cpu.words[cpu.percpu + PC_PCP_HEAD] = pfn;
  const count = (cpu.words[cpu.percpu + PC_PCP_COUNT] as number) + 1;
  cpu.words[cpu.percpu + PC_PCP_COUNT] = count;
  count_vm_event(cpu, PGFREE);
  if (count >= PCP_HIGH) drainBatch(cpu, PCP_BATCH);
}

/** Gives frames of this CPU's stock back to the zone. */
function drainBatch(cpu: Cpu, count: number): void {
  const m = cpu.memory;
  const first = cpu.words[cpu.percpu + PC_PCP_HEAD] as Pfn;
  let last = first;
  for (let i = 1; i < count; i++) last = lruNext(m, last);
  cpu.words[cpu.percpu + PC_PCP_HEAD] = lruNext(m, last);
  cpu.words[cpu.percpu + PC_PCP_COUNT] = (cpu.words[cpu.percpu + PC_PCP_COUNT] as number) - count;
  spin_lock(cpu, ZONE_LOCK);
  setLruNext(m, last, m.words[ZONE_HEAD] as Pfn);
  m.words[ZONE_HEAD] = first;
  m.words[ZONE_FREE] = (m.words[ZONE_FREE] as number) + count;
  spin_unlock(cpu, ZONE_LOCK);
}

/** Gives the whole stock back: the CPU goes offline. @kernel drain_local_pages() */
export function drain_local_pages(cpu: Cpu): void {
  const count = cpu.words[cpu.percpu + PC_PCP_COUNT] as number;
  if (count > 0) drainBatch(cpu, count);
}

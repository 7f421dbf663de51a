/**
 * Memory cgroups: how many pages a group of address spaces has, and how many it may have. Number 0 is the root: it has lists, but no limit and no count.
 *
 *   usage   pages charged to it
 *   high    more than that: whoever charges reclaims before it returns to user mode
 *   max     never more than that: whoever would charge more reclaims first, or gets no page
 *
 * @kernel mm/memcontrol.c struct mem_cgroup, try_charge_memcg(), page_counter_try_charge(); include/linux/mmzone.h struct lruvec
 * @fidelity reduced: no hierarchy, no swap limit, no stock of charges on each CPU
 * Next: mm/lru.ts, mm/alloc_or_reclaim.ts
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import { UsageError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_set, READ_ONCE } from '../memory/atomic.ts';
import { H_LRU } from '../memory/header.ts';
import { MEMCGS_MAX, RECORD_WORDS } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { ALLOC_CHARGE } from '../trace/injector.ts';

// Line 0: the counts and limits.
const USED = 0;
const USAGE = 1;
const HIGH = 2;
const MAX = 3;
const EVENT_HIGH = 4;
const EVENT_MAX = 5;
const EVENT_OOM = 6;
const EVENT_OOM_KILL = 7;
// Lines 1 to 4: its lists of pages, for mm/lru.ts and mm/lru_gen.ts.
const LRUVEC = 16;
const LRUVEC_WORDS = 64;
assert(LRUVEC + LRUVEC_WORDS <= RECORD_WORDS.memcg, 'memcg: the record has another size in memory/layout.ts');

export const ROOT_MEMCG = 0;
/** No limit. @kernel PAGE_COUNTER_MAX */
export const MEMCG_UNLIMITED = 0x7fffffff;

/** Non-zero: pages are on lists by their age, and memory that is short is reclaimed. */
const LRU_ON = H_LRU;
/** Is reclaim by age switched on? If not, nothing of it exists. Does not change while CPUs run. */
export const lruOn = (m: SharedMemory): boolean => m.words[LRU_ON] !== 0;

const word = (m: SharedMemory, memcg: number, field: number): Word => (m.memcgsAt + memcg * RECORD_WORDS.memcg + field) as Word;
export const memcgUsageWord = (m: SharedMemory, memcg: number): Word => word(m, memcg, USAGE);
/** First word of the lists of a cgroup. */
export const lruvecWord = (m: SharedMemory, memcg: number): Word => word(m, memcg, LRUVEC);
export const memcgExists = (m: SharedMemory, memcg: number): boolean => m.words[word(m, memcg, USED)] !== 0;

export interface MemcgLimits {
  /** Pages. */
  readonly high?: number;
  readonly max?: number;
}

/** Switches reclaim by age on or off. @locks none: before CPUs run, on a machine without pages in use */
export function switchLru(m: SharedMemory, on: boolean): void {
  m.words[LRU_ON] = on ? 1 : 0;
  if (m.size.frames === 0) return;
  m.words[word(m, ROOT_MEMCG, USED)] = 1;
  m.words[word(m, ROOT_MEMCG, HIGH)] = MEMCG_UNLIMITED;
  m.words[word(m, ROOT_MEMCG, MAX)] = MEMCG_UNLIMITED;
}

/** Makes a cgroup, or changes the limits of one: also while CPUs run. What is over a new limit goes with the next charge. @throws UsageError for a number that cannot be */
export function setMemcg(m: SharedMemory, memcg: number, limits: MemcgLimits): void {
  if (!Number.isInteger(memcg) || memcg < 1 || memcg >= MEMCGS_MAX) {
    throw new UsageError(`Memory cgroup ${memcg} cannot be; number them from 1 to ${MEMCGS_MAX - 1}.`);
  }
  m.words[word(m, memcg, HIGH)] = limits.high ?? MEMCG_UNLIMITED;
  m.words[word(m, memcg, MAX)] = limits.max ?? MEMCG_UNLIMITED;
  m.words[word(m, memcg, USED)] = 1;
}

/** As they are; 0 and 0 for a machine without memory. */
export const memcgLimits = (m: SharedMemory, memcg: number): Required<MemcgLimits> =>
  m.size.frames === 0
    ? { max: 0, high: 0 }
    : { max: m.words[word(m, memcg, MAX)] as number, high: m.words[word(m, memcg, HIGH)] as number };

/** Changes one limit while CPUs run, and nothing else: whoever wants the usage to follow uses reclaim/memcg_limits.ts. */
export function setMemcgMax(cpu: Cpu, memcg: number, max: number): void {
  atomic_set(cpu, word(cpu.memory, memcg, MAX), max); // Alone: the next charge sees it.
}
export function setMemcgHigh(cpu: Cpu, memcg: number, high: number): void {
  atomic_set(cpu, word(cpu.memory, memcg, HIGH), high); // Alone: the next charge sees it.
}

export const memcgUsage = (cpu: Cpu, memcg: number): number => READ_ONCE(cpu, word(cpu.memory, memcg, USAGE));
export const memcgMax = (cpu: Cpu, memcg: number): number => READ_ONCE(cpu, word(cpu.memory, memcg, MAX));
export const memcgHigh = (cpu: Cpu, memcg: number): number => READ_ONCE(cpu, word(cpu.memory, memcg, HIGH));

export type MemcgEvent = 'high' | 'max' | 'oom' | 'oom_kill';
const EVENTS: Readonly<Record<MemcgEvent, number>> = { high: EVENT_HIGH, max: EVENT_MAX, oom: EVENT_OOM, oom_kill: EVENT_OOM_KILL };
/** @kernel memcg_memory_event() */
export function memcgEvent(cpu: Cpu, memcg: number, event: MemcgEvent): void {
  atomic_fetch_add(cpu, word(cpu.memory, memcg, EVENTS[event]), 1); // Alone: a count.
}
export const memcgEvents = (m: SharedMemory, memcg: number, event: MemcgEvent): number => m.words[word(m, memcg, EVENTS[event])] as number;

/** Charges a page if that is within `max`. @returns whether it did. Never sleeps. @kernel page_counter_try_charge() */
export function tryCharge(cpu: Cpu, memcg: number): boolean {
  if (cpu.inject?.failsAllocation(ALLOC_CHARGE) === true) return false;
  const usage = word(cpu.memory, memcg, USAGE);
  const before = atomic_fetch_add(cpu, usage, 1); // Full. Pairs with: the same of another CPU, and unchargePage().
  if (before < memcgMax(cpu, memcg)) {
    if (before >= memcgHigh(cpu, memcg)) {
      cpu.overHigh = memcg;
      cpu.pagesOverHigh++;
    }
    return true;
  }
  atomic_fetch_add(cpu, usage, -1);
  return false;
}

/** Charges a page, whatever the limit: it takes the place of another that is about to be freed. */
export function chargeAnyway(cpu: Cpu, memcg: number): void {
  atomic_fetch_add(cpu, word(cpu.memory, memcg, USAGE), 1); // Alone: a count.
}

/** Gives a charge back. @kernel page_counter_uncharge() */
export function unchargePage(cpu: Cpu, memcg: number): void {
  atomic_fetch_add(cpu, word(cpu.memory, memcg, USAGE), -1); // Pairs with: tryCharge().
}

/**
 * mmu_gather: what an unmapping has taken out of the page tables and may not give back before the TLBs have forgotten it.
 *
 *   unmapping CPU                             accessing CPU
 *   1 clears the PTE, keeps the frame
 *                                             2 still uses its cached translation: legal
 *   3 flushes: waits for 2
 *   4 frees the frame                         <- decides: nobody can write to it any more
 *
 * @kernel mm/mmu_gather.c tlb_gather_mmu(), tlb_finish_mmu(); mm/swap_state.c free_folio_and_swap_cache()
 * @fidelity reduced: one batch list, flushed when it is long
 * Next: mm/zap.ts
 */
import type { MmId, Pfn, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_read } from '../memory/atomic.ts';
import { tlbFlushPendingWord } from './mm_struct.ts';
import { folios_put } from './page_alloc.ts';
import { type FreedTables, freeTables } from './page_table.ts';
import { free_swap_cache } from './swap_state.ts';
import { flush_tlb_mm, flush_tlb_range } from './tlb.ts';

/** Frames kept back before a flush is forced. */
const BATCH = 512;

export interface MmuGather {
  readonly mm: MmId;
  readonly pages: Pfn[];
  readonly tables: FreedTables;
  /** Range that must be flushed; empty when start >= end. */
  start: Vpn;
  end: Vpn;
}

const EMPTY_START = 0x7fffffff as Vpn;
const EMPTY_END = 0 as Vpn;

export function tlb_gather_mmu(cpu: Cpu, mm: MmId): MmuGather {
  // Before the first entry is cleared. Pairs with: tlb_finish_mmu() of a CPU that finds the entry cleared.
  atomic_fetch_add(cpu, tlbFlushPendingWord(cpu.memory, mm), 1);
  return { mm, pages: [], tables: [], start: EMPTY_START, end: EMPTY_END };
}

/** A translation of this page was removed from the tables. */
export function tlb_remove_tlb_entry(tlb: MmuGather, vpn: Vpn): void {
  if (vpn < tlb.start) tlb.start = vpn;
  if (vpn >= tlb.end) tlb.end = (vpn + 1) as Vpn;
}

export const tlbBatchFull = (tlb: MmuGather): boolean => tlb.pages.length >= BATCH;

/** Flushes, then gives the frames back. @locks in: no page-table lock */
export function tlb_flush_mmu(cpu: Cpu, tlb: MmuGather): void {
  if (tlb.start < tlb.end || tlb.tables.length > 0) flush_tlb_range(cpu, tlb.mm, tlb.start, tlb.end);
  tlb.start = EMPTY_START;
  tlb.end = EMPTY_END;
  for (const pfn of tlb.pages) free_swap_cache(cpu, pfn);
  folios_put(cpu, tlb.pages);
  tlb.pages.length = 0;
  freeTables(cpu, tlb.mm, tlb.tables);
}

/**
 * The last flush. When others are taking pages out of the same address space, an entry that was found empty may be one that they cleared
 * and have not flushed yet: then everything is flushed, so that the range is gone from every TLB when this returns.
 * @locks in: no page-table lock
 */
export function tlb_finish_mmu(cpu: Cpu, tlb: MmuGather): void {
  const pending = tlbFlushPendingWord(cpu.memory, tlb.mm);
  const nested = atomic_read(cpu, pending) > 1; // Pairs with: tlb_gather_mmu().
  tlb_flush_mmu(cpu, tlb);
  if (nested) flush_tlb_mm(cpu, tlb.mm);
  atomic_fetch_add(cpu, pending, -1); // Release: the flush. Pairs with: the look above.
}

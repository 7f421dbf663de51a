/**
 * What one round of reclaim is to do and has done, and what both ways of keeping pages by age share: isolating a page, and counting.
 * @kernel mm/vmscan.c struct scan_control, isolate_folio(), isolate_lru_folios()
 * @fidelity reduced: the fields that the model decides by
 * Next: reclaim/shrink_lruvec.ts, reclaim/lru_gen_evict.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_try_get, folioTest, PG_hwpoison } from '../mm/folio.ts';
import { folio_test_clear_lru, lruvec_del_folio } from '../mm/lru.ts';
import { folio_put } from '../mm/page_alloc.ts';
import {
  count_vm_events,
  PGSCAN_ANON,
  PGSCAN_DIRECT,
  PGSCAN_FILE,
  PGSCAN_KSWAPD,
  PGSTEAL_ANON,
  PGSTEAL_DIRECT,
  PGSTEAL_FILE,
  PGSTEAL_KSWAPD,
} from '../trace/counters.ts';

/** One round of reclaim. */
export interface ScanControl {
  readonly kswapd: boolean;
  /** Enough. */
  readonly wanted: number;
  /** From DEF_PRIORITY down to 0: a list is scanned for its size divided by two to that. */
  priority: number;
  scanned: number;
  reclaimed: number;
}
/** @kernel DEF_PRIORITY */
export const DEF_PRIORITY = 12;
/** @kernel SWAP_CLUSTER_MAX */
export const SWAP_CLUSTER_MAX = 32;

/** One that is being freed or isolated stays where it is: who does that waits for the lock. A broken one leaves its list for good. @locks in: the lruvec's */
export function isolate(cpu: Cpu, pfn: Pfn): boolean {
  if (folioTest(cpu, pfn, PG_hwpoison)) {
    if (folio_test_clear_lru(cpu, pfn)) lruvec_del_folio(cpu, pfn);
    return false;
  }
  if (!folio_try_get(cpu, pfn)) return false;
  if (!folio_test_clear_lru(cpu, pfn)) {
    folio_put(cpu, pfn); // Not the last one: whoever isolated it has one.
    return false;
  }
  lruvec_del_folio(cpu, pfn);
  return true;
}

/** Pages of a list have been looked at, and some of them freed. */
export function countScan(cpu: Cpu, sc: ScanControl, { file, scanned, freed }: { file: boolean; scanned: number; freed: number }): void {
  sc.scanned += scanned;
  sc.reclaimed += freed;
  count_vm_events(cpu, sc.kswapd ? PGSCAN_KSWAPD : PGSCAN_DIRECT, scanned);
  count_vm_events(cpu, file ? PGSCAN_FILE : PGSCAN_ANON, scanned);
  count_vm_events(cpu, sc.kswapd ? PGSTEAL_KSWAPD : PGSTEAL_DIRECT, freed);
  count_vm_events(cpu, file ? PGSTEAL_FILE : PGSTEAL_ANON, freed);
}

/**
 * Background reclaim: a thread of the machine, with a CPU of its own, that keeps the number of free frames between two marks, so that tasks find free
 * frames and need not reclaim themselves.
 *
 *   free frames    min <-------- low <----------- high
 *                  | tasks        | kswapd         | kswapd
 *                  | reclaim      | is woken       | sleeps
 *
 * @kernel mm/vmscan.c kswapd(), balance_pgdat()
 * @fidelity reduced: one node and one zone; no boosted marks, no compaction; it does not slow down for dirty pages, it waits a moment after a round
 *   without success
 * Next: reclaim/try_to_free_pages.ts
 */
import type { Cpu } from '../cpu.ts';
import { rcu_process_callbacks } from '../locking/rcu.ts';
import { reclaim_throttle } from '../mm/alloc_or_reclaim.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { lruOn, ROOT_MEMCG } from '../mm/memcg.ts';
import { drain_local_pages, nr_free_pages, nrFreeBelow } from '../mm/page_alloc.ts';
import { high_wmark_pages, low_wmark_pages } from '../mm/vm_sysctl.ts';
import { kswapdNeeded, noteKswapdRound } from '../mm/wakeup_kswapd.ts';
import type { KthreadWork } from '../sched/kthread.ts';
import { count_vm_event, PAGEOUTRUN } from '../trace/counters.ts';
import { DEF_PRIORITY, SWAP_CLUSTER_MAX } from './scan_control.ts';
import { shrink_node } from './try_to_free_pages.ts';

/** It looks by itself from time to time, too. */
const PERIOD_MS = 1000;

/** What the thread does: for sched/kthread.ts. */
export const kswapdWork = (): KthreadWork => ({ pass: kswapdPass, periodMs: () => PERIOD_MS });

/** A round, and a moment's sleep after one without success. @locks none in, none out. @returns whether there may be more to do */
function kswapdPass(cpu: Cpu): boolean {
  rcu_process_callbacks(cpu);
  if (!kswapdNeeded(cpu.memory)) return false;
  if (kswapdStep(cpu) === 0) reclaim_throttle(cpu);
  return true;
}

/**
 * One round of background reclaim: if fewer frames are free than the mark `low`, frees some until the mark `high`, harder and harder.
 * @locks none in, none out. May sleep. @returns pages freed
 */
export function kswapdStep(cpu: Cpu): number {
  const m = cpu.memory;
  if (!lruOn(m) || !nrFreeBelow(m, low_wmark_pages(m))) return 0;
  const freed = balance_pgdat(cpu);
  noteKswapdRound(cpu, freed > 0);
  return freed;
}

function balance_pgdat(cpu: Cpu): number {
  const m = cpu.memory;
  count_vm_event(cpu, PAGEOUTRUN);
  lru_add_drain(cpu);
  let freed = 0;
  for (let priority = DEF_PRIORITY; priority > 0; priority--) {
    const missing = high_wmark_pages(m) - nr_free_pages(m);
    if (missing <= 0) break;
    const sc = { kswapd: true, wanted: Math.max(missing, SWAP_CLUSTER_MAX), priority, scanned: 0, reclaimed: 0 };
    shrink_node(cpu, ROOT_MEMCG, sc);
    freed += sc.reclaimed;
    drain_local_pages(cpu); // For others: it needs no frames itself.
  }
  return freed;
}

/**
 * Who reclaims, and how hard: a task that needs a page, a task over the `high` limit of its cgroup, and the background (kswapd), which keeps the number
 * of free frames between its marks.
 *
 *   free frames    min <-------- low <----------- high
 *                  | tasks        | kswapd         | kswapd
 *                  | reclaim      | begins         | stops
 *
 * @kernel mm/vmscan.c try_to_free_pages(), try_to_free_mem_cgroup_pages(), balance_pgdat(); mm/memcontrol.c mem_cgroup_handle_over_high()
 * @fidelity reduced: tasks reclaim when there is no frame, not from the mark `min` on; over `high` nobody sleeps as a punishment
 * Next: mm/alloc_or_reclaim.ts
 */
import type { Cpu } from '../cpu.ts';
import { MEMCGS_MAX } from '../memory/layout.ts';
import { lruOn, memcgEvent, memcgExists, memcgHigh, memcgUsage, ROOT_MEMCG } from '../mm/memcg.ts';
import { nr_free_pages } from '../mm/page_alloc.ts';
import { high_wmark_pages, low_wmark_pages } from '../mm/vm_sysctl.ts';
import { count_vm_event, PAGEOUTRUN } from '../trace/counters.ts';
import { DEF_PRIORITY, type ScanControl, shrink_lruvec } from './shrink_lruvec.ts';

/** @kernel MAX_RECLAIM_RETRIES */
const OVER_HIGH_ROUNDS = 16;
const SWAP_CLUSTER_MAX = 32;

/** Frees pages of one cgroup, or of all with ROOT_MEMCG. @locks see TryToFree. @returns how many were freed */
export function try_to_free_pages(cpu: Cpu, memcg: number, pages: number): number {
  const sc = { kswapd: false, wanted: pages, priority: DEF_PRIORITY, scanned: 0, reclaimed: 0 };
  do_try_to_free_pages(cpu, memcg, sc, 0);
  return sc.reclaimed;
}

function do_try_to_free_pages(cpu: Cpu, memcg: number, sc: ScanControl, lowest: number): void {
  for (; sc.priority >= lowest && sc.reclaimed < sc.wanted; sc.priority--) shrink_node(cpu, memcg, sc);
}

function shrink_node(cpu: Cpu, memcg: number, sc: ScanControl): void {
  if (memcg !== ROOT_MEMCG) {
    shrink_lruvec(cpu, memcg, sc);
    return;
  }
  for (let id = 0; id < MEMCGS_MAX; id++) if (memcgExists(cpu.memory, id)) shrink_lruvec(cpu, id, sc);
}

/** One round of background reclaim: if fewer frames are free than the lower mark says, frees some until the upper one. May sleep. @returns pages freed */
export function kswapdStep(cpu: Cpu): number {
  const m = cpu.memory;
  if (!lruOn(m) || nr_free_pages(m) >= low_wmark_pages(m)) return 0;
  count_vm_event(cpu, PAGEOUTRUN);
  let freed = 0;
  for (let priority = DEF_PRIORITY; priority > 0; priority--) {
    const missing = high_wmark_pages(m) - nr_free_pages(m);
    if (missing <= 0) break;
    const sc = { kswapd: true, wanted: Math.max(missing, SWAP_CLUSTER_MAX), priority, scanned: 0, reclaimed: 0 };
    shrink_node(cpu, ROOT_MEMCG, sc);
    freed += sc.reclaimed;
  }
  return freed;
}

/** The task has charged more than `high` of its cgroup: it reclaims before it goes back to its program. @locks none in, none out. May sleep */
export function mem_cgroup_handle_over_high(cpu: Cpu): void {
  const memcg = cpu.overHigh;
  cpu.overHigh = 0;
  memcgEvent(cpu, memcg, 'high');
  for (let round = 0; round < OVER_HIGH_ROUNDS; round++) {
    const over = memcgUsage(cpu, memcg) - memcgHigh(cpu, memcg);
    if (over <= 0 || try_to_free_pages(cpu, memcg, Math.min(over, SWAP_CLUSTER_MAX)) === 0) return;
  }
}

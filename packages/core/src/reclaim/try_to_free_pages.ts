/**
 * Who reclaims, and how hard: a task that needs a page, and a task over the `high` limit of its cgroup. The background is in reclaim/kswapd.ts.
 * @kernel mm/vmscan.c try_to_free_pages(), try_to_free_mem_cgroup_pages(), shrink_node(); mm/memcontrol.c mem_cgroup_handle_over_high()
 * @fidelity reduced: over `high` nobody sleeps as a punishment
 * Next: reclaim/kswapd.ts
 */
import type { Cpu } from '../cpu.ts';
import { MEMCGS_MAX } from '../memory/layout.ts';
import { memcgEvent, memcgExists, memcgHigh, memcgUsage, ROOT_MEMCG } from '../mm/memcg.ts';
import { noteKswapdRound } from '../mm/wakeup_kswapd.ts';
import { DEF_PRIORITY, type ScanControl, shrink_lruvec } from './shrink_lruvec.ts';

/** @kernel MAX_RECLAIM_RETRIES */
const OVER_HIGH_ROUNDS = 16;
const SWAP_CLUSTER_MAX = 32;

/** Frees pages of one cgroup, or of all with ROOT_MEMCG. @locks see TryToFree. @returns how many were freed */
export function try_to_free_pages(cpu: Cpu, memcg: number, pages: number): number {
  const sc = { kswapd: false, wanted: pages, priority: DEF_PRIORITY, scanned: 0, reclaimed: 0 };
  do_try_to_free_pages(cpu, memcg, sc, 0);
  if (sc.reclaimed > 0) noteKswapdRound(cpu, true); // There is hope again.
  return sc.reclaimed;
}

function do_try_to_free_pages(cpu: Cpu, memcg: number, sc: ScanControl, lowest: number): void {
  for (; sc.priority >= lowest && sc.reclaimed < sc.wanted; sc.priority--) shrink_node(cpu, memcg, sc);
}

/** Shrinks the lists of a cgroup, or of all of them with ROOT_MEMCG, for one priority. @locks see TryToFree */
export function shrink_node(cpu: Cpu, memcg: number, sc: ScanControl): void {
  if (memcg !== ROOT_MEMCG) {
    shrink_lruvec(cpu, memcg, sc);
    return;
  }
  for (let id = 0; id < MEMCGS_MAX; id++) if (memcgExists(cpu.memory, id)) shrink_lruvec(cpu, id, sc);
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

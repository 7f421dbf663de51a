/**
 * Direct reclaim: a task that needs pages frees some, harder and harder.
 * @kernel mm/vmscan.c try_to_free_pages(), try_to_free_mem_cgroup_pages(), shrink_node()
 * @fidelity reduced: one node; cgroups are visited in the order of their numbers, all of them
 * Next: reclaim/kswapd.ts for the background, reclaim/memcg_limits.ts
 */
import type { Cpu } from '../cpu.ts';
import { MEMCGS_MAX } from '../memory/layout.ts';
import { memcgExists, ROOT_MEMCG } from '../mm/memcg.ts';
import { noteKswapdRound } from '../mm/wakeup_kswapd.ts';
import { DEF_PRIORITY, type ScanControl } from './scan_control.ts';
import { shrink_lruvec } from './shrink_lruvec.ts';

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

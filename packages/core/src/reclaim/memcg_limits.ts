/**
 * What the limits of a memory cgroup do beside refusing charges: a task that has charged beyond `high` reclaims before it goes back to its program, and
 * is slowed down if that does not help; and whoever lowers a limit below the usage reclaims himself.
 *
 *   usage   0 ........ high ........................... max
 *                      | reclaim, then a delay that grows | no charge without reclaim first
 *                      | with the square of the excess    |
 *
 * @kernel mm/memcontrol.c __mem_cgroup_handle_over_high(), reclaim_high(), calculate_overage(), calculate_high_delay(), memory_max_write(),
 *   memory_high_write()
 * @fidelity reduced: pages are charged one by one, not 64 at a time, so the delay is for each page what the kernel's is for 64, divided by 64; no
 *   hierarchy, no limit for swap
 * Next: mm/alloc_or_reclaim.ts
 */
import type { Cpu } from '../cpu.ts';
import { WAIT_OVER_HIGH } from '../memory/percpu.ts';
import { reclaim_throttle } from '../mm/alloc_or_reclaim.ts';
import { memcgEvent, memcgHigh, memcgMax, memcgUsage, memcgUsageWord, setMemcgHigh, setMemcgMax } from '../mm/memcg.ts';
import { fatal_signal_pending, schedule_timeout, set_current_state, signal_pending, TASK_KILLABLE } from '../sched/task.ts';
import { count_vm_event, count_vm_events, MEMCG_THROTTLED, MEMCG_THROTTLED_US } from '../trace/counters.ts';
import { SWAP_CLUSTER_MAX } from './scan_control.ts';
import { try_to_free_pages } from './try_to_free_pages.ts';

/** @kernel MAX_RECLAIM_RETRIES */
const RETRIES = 16;
/** The delay for a page when usage is twice `high`, in milliseconds. @kernel HZ << MEMCG_DELAY_PRECISION_SHIFT >> MEMCG_DELAY_SCALING_SHIFT, over MEMCG_CHARGE_BATCH */
const DELAY_MS = 1000;
/** @kernel MEMCG_MAX_HIGH_DELAY_JIFFIES */
export const HIGH_DELAY_MS_MAX = 2000;
/** A shorter delay is not worth a sleep. @kernel HZ / 100, over MEMCG_CHARGE_BATCH */
const DELAY_MS_MIN = 10 / 64;
const US_PER_MS = 1000;

/** The task has charged more than `high` of its cgroup allows. @locks none in, none out. May sleep; a fatal signal ends the delay */
export function mem_cgroup_handle_over_high(cpu: Cpu): void {
  const memcg = cpu.overHigh;
  const pages = cpu.pagesOverHigh;
  cpu.overHigh = 0;
  cpu.pagesOverHigh = 0;
  reclaim_high(cpu, memcg);
  const delayMs = calculate_high_delay(cpu, memcg, pages);
  if (delayMs <= DELAY_MS_MIN || fatal_signal_pending(cpu)) return;
  const since = cpu.now();
  set_current_state(cpu, TASK_KILLABLE);
  schedule_timeout(cpu, WAIT_OVER_HIGH, memcgUsageWord(cpu.memory, memcg), delayMs);
  count_vm_event(cpu, MEMCG_THROTTLED);
  count_vm_events(cpu, MEMCG_THROTTLED_US, Math.round((cpu.now() - since) * US_PER_MS));
}

/** As long as it helps, and the task lives. */
function reclaim_high(cpu: Cpu, memcg: number): void {
  memcgEvent(cpu, memcg, 'high');
  for (let round = 0; round < RETRIES && !fatal_signal_pending(cpu); round++) {
    const over = memcgUsage(cpu, memcg) - memcgHigh(cpu, memcg);
    if (over <= 0 || try_to_free_pages(cpu, memcg, Math.min(over, SWAP_CLUSTER_MAX)) === 0) return;
  }
}

/** @param pages charged beyond `high`. @returns milliseconds; 0 when the usage is within it */
export function calculate_high_delay(cpu: Cpu, memcg: number, pages: number): number {
  const high = memcgHigh(cpu, memcg);
  const excess = Math.max(0, memcgUsage(cpu, memcg) - high) / Math.max(1, high);
  return Math.min(HIGH_DELAY_MS_MAX, excess * excess * pages * DELAY_MS);
}

/**
 * Changes `max` while tasks run: whoever lowers it brings the usage down to it, by reclaim and then by the killer; what cannot be had stays, and no
 * charge succeeds until it goes. A pending signal ends the attempt. @locks none in, none out. May sleep
 */
export function memory_max_write(cpu: Cpu, memcg: number, max: number): void {
  setMemcgMax(cpu, memcg, max);
  for (let left = RETRIES; !signal_pending(cpu); ) {
    const over = memcgUsage(cpu, memcg) - memcgMax(cpu, memcg);
    if (over <= 0) return;
    if (left > 0) {
      if (try_to_free_pages(cpu, memcg, over) === 0) left--;
      continue;
    }
    memcgEvent(cpu, memcg, 'oom');
    if (!cpu.outOfMemory(cpu, memcg)) return;
    reclaim_throttle(cpu); // The victim needs a moment to go.
  }
}

/** Changes `high` while tasks run: whoever lowers it reclaims what is above, as far as that can be had. @locks none in, none out. May sleep */
export function memory_high_write(cpu: Cpu, memcg: number, high: number): void {
  setMemcgHigh(cpu, memcg, high);
  for (let left = RETRIES; left > 0 && !signal_pending(cpu); ) {
    const over = memcgUsage(cpu, memcg) - memcgHigh(cpu, memcg);
    if (over <= 0) return;
    if (try_to_free_pages(cpu, memcg, over) === 0) left--;
  }
}

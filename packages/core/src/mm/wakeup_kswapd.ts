/**
 * Asking for background reclaim: whoever takes a frame and leaves fewer free than the mark `low` wakes kswapd, and does not wait for it.
 * @kernel mm/vmscan.c wakeup_kswapd(), prepare_kswapd_sleep(); mm/page_alloc.c wake_all_kswapds()
 * @fidelity reduced: one node; what it is woken for is always one page
 * Next: reclaim/kswapd.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_set } from '../memory/atomic.ts';
import { H_LRU } from '../memory/header.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { hasKthread, KTHREAD_KSWAPD, wakeKthread } from '../sched/kthread.ts';
import { lruOn } from './memcg.ts';
import { nrFreeBelow } from './page_alloc.ts';
import { low_wmark_pages } from './vm_sysctl.ts';

/** Rounds in a row that freed nothing. @kernel kswapd_failures */
const KSWAPD_FAILURES = (H_LRU + 16) as Word;
/** After so many it sleeps until a task frees something. @kernel MAX_RECLAIM_RETRIES */
export const KSWAPD_FAILURES_MAX = 16;

export const kswapdFailures = (m: SharedMemory): number => m.words[KSWAPD_FAILURES] as number;

/** A round is over. @param progress whether it freed anything */
export function noteKswapdRound(cpu: Cpu, progress: boolean): void {
  if (!progress)
    atomic_fetch_add(cpu, KSWAPD_FAILURES, 1); // Alone: a count.
  else if (kswapdFailures(cpu.memory) !== 0) atomic_set(cpu, KSWAPD_FAILURES, 0); // Alone: a count.
}

/** Are so few frames free that kswapd has to work, and is there hope? */
export const kswapdNeeded = (m: SharedMemory): boolean =>
  lruOn(m) && nrFreeBelow(m, low_wmark_pages(m)) && kswapdFailures(m) < KSWAPD_FAILURES_MAX;

/** Wakes kswapd, if there is one and it is needed. Never sleeps; any lock may be held. */
export function wakeup_kswapd(cpu: Cpu): void {
  if (hasKthread(cpu.memory, KTHREAD_KSWAPD) && kswapdNeeded(cpu.memory)) wakeKthread(cpu, KTHREAD_KSWAPD);
}

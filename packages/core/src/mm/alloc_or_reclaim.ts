/**
 * A frame for user memory or the page cache: charged to a memory cgroup, and if there is none, after reclaim. The allocator itself never waits.
 *
 *   charge:  usage < max? -- no --> reclaim in this cgroup, again; then the killer, in a fault of user code; or no page: VM_FAULT_OOM
 *   frame:   `min` free?  -- no --> reclaim everywhere, again; then the killer; or no page. Below `low` kswapd is woken.
 *
 * Reclaim waits for no mmap_lock, takes no VMA lock, and only tries folio locks, so the caller may have those; it takes i_mmap and anon_vma locks and
 * sleeps for requests of devices, so the caller may have neither those nor a spinlock. A caller with a spinlock uses allocCharged().
 *
 * @kernel mm/memcontrol.c try_charge_memcg(); mm/page_alloc.c __alloc_pages_slowpath()
 * @fidelity reduced: pages of FILE_RESIDENT and FILE_DRIVER files and of page tables are not charged; the killer of a cgroup is for faults of user code only
 * Next: reclaim/try_to_free_pages.ts
 */
import { assert } from '../base/assert.ts';
import type { MmId, Pfn, Word } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { H_LRU } from '../memory/header.ts';
import { beginWait, endWait, park } from '../memory/park.ts';
import { WAIT_RECLAIM } from '../memory/percpu.ts';
import { rcu_idle_enter, rcu_idle_exit } from '../sched/rcu_state.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { ALLOCSTALL, count_vm_event, OOM } from '../trace/counters.ts';
import { ALLOC_CHARGE, ALLOC_FRAME } from '../trace/injector.ts';
import { NO_FOLIO, setFolioMemcg } from './folio.ts';
import { lru_add_drain } from './folio_add_lru.ts';
import { lruOn, memcgEvent, ROOT_MEMCG, tryCharge, unchargePage } from './memcg.ts';
import { mm_memcg } from './mm_struct.ts';
import { alloc_page, nrFreeBelow } from './page_alloc.ts';
import { min_wmark_pages } from './vm_sysctl.ts';
import { wakeup_kswapd } from './wakeup_kswapd.ts';

/** Always 0. */
const THROTTLE_WORD = (H_LRU + 4) as Word;
/** @kernel MAX_RECLAIM_RETRIES */
const RETRIES = 16;
/** Pages wanted from a round. @kernel SWAP_CLUSTER_MAX */
const WANTED = 32;
/** Milliseconds that a round without success waits for writes and reads to end. */
const THROTTLE_MS = 4;

/** As alloc_page(), charged, after reclaim if need be. @param mm whose memory it will be. @locks in: see above. May sleep. @returns NO_FOLIO when memory, or the limit, is out */
export function allocOrReclaim(cpu: Cpu, mm: MmId): Pfn {
  if (!lruOn(cpu.memory)) return alloc_page(cpu);
  assert(cpu.spinDepth === 0, 'allocOrReclaim: a spinlock is held');
  const memcg = mm === NO_MM ? ROOT_MEMCG : mm_memcg(cpu.memory, mm);
  if (!chargeOrReclaim(cpu, memcg)) return NO_FOLIO;
  return charged(cpu, memcg, frameOrReclaim(cpu));
}

/** As allocOrReclaim(), for the running task. @kernel filemap_alloc_folio() with the mask of the mapping, and its charge */
export const allocForCache = (cpu: Cpu): Pfn => allocOrReclaim(cpu, cpu.mm);

/** As allocForCache(), for a page that nobody waits for: one round of reclaim, and no page is no misfortune. May sleep. @kernel readahead_gfp_mask(): __GFP_NORETRY */
export function allocForReadahead(cpu: Cpu): Pfn {
  if (!lruOn(cpu.memory)) return alloc_page(cpu);
  const memcg = cpu.mm === NO_MM ? ROOT_MEMCG : mm_memcg(cpu.memory, cpu.mm);
  if (memcg !== ROOT_MEMCG && !tryCharge(cpu, memcg)) {
    reclaimOnce(cpu, memcg);
    if (!tryCharge(cpu, memcg)) return NO_FOLIO;
  }
  const pfn = get_page_from_freelist(cpu);
  if (pfn !== NO_FOLIO) return charged(cpu, memcg, pfn);
  reclaimOnce(cpu, ROOT_MEMCG);
  return charged(cpu, memcg, get_page_from_freelist(cpu));
}

/** As alloc_page(), charged if the limit allows it at once. Never sleeps */
export function allocCharged(cpu: Cpu, mm: MmId): Pfn {
  if (!lruOn(cpu.memory)) return alloc_page(cpu);
  const memcg = mm_memcg(cpu.memory, mm);
  if (memcg !== ROOT_MEMCG && !tryCharge(cpu, memcg)) return NO_FOLIO;
  const pfn = alloc_page(cpu);
  wakeup_kswapd(cpu);
  return charged(cpu, memcg, pfn);
}

function charged(cpu: Cpu, memcg: number, pfn: Pfn): Pfn {
  if (memcg === ROOT_MEMCG) return pfn;
  if (pfn === NO_FOLIO) unchargePage(cpu, memcg);
  else setFolioMemcg(cpu.memory, pfn, memcg);
  return pfn;
}

/** An injected failure here is one that reclaim does not help; one of tryCharge() is the beginning of reclaim. */
function chargeOrReclaim(cpu: Cpu, memcg: number): boolean {
  if (memcg === ROOT_MEMCG) return true;
  if (cpu.inject?.failsAllocation(ALLOC_CHARGE) === true) return false;
  if (tryCharge(cpu, memcg)) return true;
  for (let left = RETRIES; left > 0; ) {
    const freed = reclaimOnce(cpu, memcg);
    if (tryCharge(cpu, memcg)) return true;
    if (freed > 0) continue; // Somebody else was faster; there is progress.
    if (fatal_signal_pending(cpu)) break;
    left--;
    reclaim_throttle(cpu);
    if (tryCharge(cpu, memcg)) return true;
    if (left === 0 && cpu.inUserFault && cpu.outOfMemory(cpu, memcg)) left = RETRIES;
  }
  memcgEvent(cpu, memcg, 'oom');
  count_vm_event(cpu, OOM);
  return false;
}

/** One round in this task. @returns pages freed */
function reclaimOnce(cpu: Cpu, memcg: number): number {
  if (memcg === ROOT_MEMCG) count_vm_event(cpu, ALLOCSTALL);
  else memcgEvent(cpu, memcg, 'max');
  lru_add_drain(cpu);
  return cpu.tryToFree(cpu, memcg, WANTED);
}

/**
 * A frame, if more are free than the mark `min` says; a task that is being killed may go below, so that it can end. Wakes kswapd if need be.
 * Never sleeps. @returns NO_FOLIO if not
 */
function get_page_from_freelist(cpu: Cpu): Pfn {
  const short = nrFreeBelow(cpu.memory, min_wmark_pages(cpu.memory)) && !fatal_signal_pending(cpu);
  const pfn = short ? NO_FOLIO : alloc_page(cpu);
  wakeup_kswapd(cpu);
  return pfn;
}

/** An injected failure here is one that reclaim does not help; one of alloc_page() is the beginning of reclaim. @kernel should_fail_alloc_page() */
function frameOrReclaim(cpu: Cpu): Pfn {
  if (cpu.inject?.failsAllocation(ALLOC_FRAME) === true) return NO_FOLIO;
  let pfn = get_page_from_freelist(cpu);
  for (let left = RETRIES; pfn === NO_FOLIO && left > 0; ) {
    const freed = reclaimOnce(cpu, ROOT_MEMCG);
    pfn = get_page_from_freelist(cpu);
    if (pfn !== NO_FOLIO || freed > 0) continue;
    if (fatal_signal_pending(cpu)) break;
    left--;
    reclaim_throttle(cpu);
    pfn = get_page_from_freelist(cpu);
    if (pfn === NO_FOLIO && left === 0 && cpu.outOfMemory(cpu, null)) left = RETRIES;
  }
  if (pfn === NO_FOLIO) count_vm_event(cpu, OOM);
  return pfn;
}

/** Sleeps a moment: what is being written or read now can be freed then. @locks none that spins */
export function reclaim_throttle(cpu: Cpu): void {
  beginWait(cpu, WAIT_RECLAIM, THROTTLE_WORD);
  rcu_idle_enter(cpu);
  // Nobody wakes it, the time does.
  if (cpu.idle === null || !cpu.idle()) park(cpu, THROTTLE_WORD, 0, THROTTLE_MS);
  rcu_idle_exit(cpu);
  endWait(cpu);
}

/**
 * The reaper: takes the private pages of a victim while its tasks are still on their way out, so that their memory comes back whatever they wait for.
 *
 *   reaping CPU                               another task that reaches into the victim
 *   1 mmap_lock for reading, by trylock
 *   2 UNSTABLE
 *   3 zaps a private page
 *                                             4 faults: the entry is empty
 *                                             5 a fresh page, which it would take for the old one?
 *                                               UNSTABLE: SIGBUS  <- decides: what was there is never read as zero
 *   6 SKIP: the next process may be killed
 *
 * It never waits for mmap_lock: whoever has it may wait for memory. After so many tries it gives the victim up.
 * @kernel mm/oom_kill.c oom_reaper(), oom_reap_task(), oom_reap_task_mm(), __oom_reap_task_mm()
 * @fidelity reduced: no list, the victims are marked; no delay before the first try; on a machine without the thread a task that waits for a victim makes its steps
 * Next: syscalls/exit_mmap.ts
 */
import type { MmId, VmaId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { heldMode, MODE_NONE, MODE_WRITE } from '../locking/held_locks.ts';
import { rcu_process_callbacks } from '../locking/rcu.ts';
import { atomic_fetch_and, atomic_fetch_or, atomic_read, READ_ONCE } from '../memory/atomic.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { lru_add_drain } from '../mm/folio_add_lru.ts';
import { mt_for_each } from '../mm/maple_tree.ts';
import {
  anonRssWord,
  MMF_OOM_REAP_QUEUED,
  MMF_OOM_SKIP,
  MMF_UNSTABLE,
  mmapLockWord,
  mmdrop,
  mmFlagsWord,
  mmTree,
  oomReapTries,
  setOomReapTries,
  swapEntsWord,
} from '../mm/mm_struct.ts';
import { TASK_SIZE_VPN } from '../mm/mman.ts';
import { mmap_read_trylock, mmap_read_unlock } from '../mm/mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from '../mm/mmu_gather.ts';
import { setOomSkip } from '../mm/oom_victim.ts';
import { vm_end, vm_flags, vm_start } from '../mm/vm_area_struct.ts';
import { VM_PFNMAP, VM_SHARED } from '../mm/vm_flags.ts';
import { zapRange } from '../mm/zap.ts';
import type { KthreadWork } from '../sched/kthread.ts';
import { count_vm_event, count_vm_events, OOM_REAP_FAILED, OOM_REAPED, OOM_REAPED_PAGES } from '../trace/counters.ts';
import { at, BETWEEN_UNSTABLE_AND_REAP } from '../trace/points.ts';

/** @kernel MAX_OOM_REAP_RETRIES */
export const MAX_OOM_REAP_RETRIES = 10;
/** Between two tries at a victim. @kernel HZ / 10 */
const RETRY_MS = 4;
/** It looks by itself from time to time, too. */
const PERIOD_MS = 1000;

/**
 * One round of the reaper: one try at every victim that waits for it. Several CPUs may do it at once.
 * @locks in: no spinlock, no i_mmap and no anon_vma lock. Takes mmap_lock of victims by trylock; does not sleep but for TLB flushes
 * @returns victims that are done with, emptied or given up
 */
export function oomReaperStep(cpu: Cpu): number {
  let done = 0;
  for (let slot = 1; slot <= cpu.memory.size.mms; slot++) {
    const mm = slot as MmId;
    // A look first: it is almost always none.
    if ((READ_ONCE(cpu, mmFlagsWord(cpu.memory, mm)) & MMF_OOM_REAP_QUEUED) === 0) continue;
    if (takeFromQueue(cpu, mm) && oom_reap_task(cpu, mm)) done++;
  }
  return done;
}

/** What the thread does: for sched/kthread.ts. */
export const oomReaperWork = (): KthreadWork => ({
  pass: (cpu) => {
    rcu_process_callbacks(cpu);
    return oomReaperStep(cpu) > 0;
  },
  periodMs: (cpu) => (anyQueued(cpu.memory) ? RETRY_MS : PERIOD_MS),
});

/** Does a victim wait for another try? */
function anyQueued(m: SharedMemory): boolean {
  for (let slot = 1; slot <= m.size.mms; slot++)
    if (((m.words[mmFlagsWord(m, slot as MmId)] as number) & MMF_OOM_REAP_QUEUED) !== 0) return true;
  return false;
}

/** @returns whether the victim, and the pin that comes with it, is this CPU's now */
const takeFromQueue = (cpu: Cpu, mm: MmId): boolean =>
  (atomic_fetch_and(cpu, mmFlagsWord(cpu.memory, mm), ~MMF_OOM_REAP_QUEUED) & MMF_OOM_REAP_QUEUED) !== 0; // Pairs with: queue_oom_reaper(), below.

/** @param mm with the pin of the queue, which is gone afterwards or with the queue again. @returns whether it is done with */
function oom_reap_task(cpu: Cpu, mm: MmId): boolean {
  const reaped = oom_reap_task_mm(cpu, mm);
  if (!reaped) {
    const tries = oomReapTries(cpu.memory, mm) + 1;
    setOomReapTries(cpu.memory, mm, tries);
    if (tries < MAX_OOM_REAP_RETRIES) {
      atomic_fetch_or(cpu, mmFlagsWord(cpu.memory, mm), MMF_OOM_REAP_QUEUED); // Release: the count of tries. Pairs with: takeFromQueue().
      return false;
    }
    count_vm_event(cpu, OOM_REAP_FAILED);
  }
  setOomSkip(cpu, mm);
  mmdrop(cpu, mm);
  return true;
}

/** @returns false when somebody writes to the layout, or wants to */
function oom_reap_task_mm(cpu: Cpu, mm: MmId): boolean {
  // A task that waits for memory while it reaches into the victim has the lock already: for reading, if it may be used.
  const mine = heldMode(cpu, mmapLockWord(cpu.memory, mm));
  if (mine === MODE_WRITE || (mine === MODE_NONE && !mmap_read_trylock(cpu, mm))) return false;
  // Its own exit was faster: its pages are gone, and its tables are about to be.
  const gone = (atomic_read(cpu, mmFlagsWord(cpu.memory, mm)) & MMF_OOM_SKIP) !== 0; // Pairs with: setOomSkip() in exit_mmap().
  if (!gone) {
    __oom_reap_task_mm(cpu, mm);
    count_vm_event(cpu, OOM_REAPED);
  }
  if (mine === MODE_NONE) mmap_read_unlock(cpu, mm);
  return true;
}

/** Zaps every private page. Shared ones are somebody else's too, and belong to a file. @locks in: mmap read on the victim */
function __oom_reap_task_mm(cpu: Cpu, mm: MmId): void {
  const m = cpu.memory;
  const held = (): number => READ_ONCE(cpu, anonRssWord(m, mm)) + READ_ONCE(cpu, swapEntsWord(m, mm));
  const before = held();
  lru_add_drain(cpu); // A page in a batch has a reference more, and would not be freed.
  // Before the first entry is empty. Pairs with: isUnstable() of whoever finds one empty (R18).
  atomic_fetch_or(cpu, mmFlagsWord(m, mm), MMF_UNSTABLE);
  at(cpu, BETWEEN_UNSTABLE_AND_REAP);
  mt_for_each(cpu, mmTree(m, mm), 0 as Vpn, TASK_SIZE_VPN as Vpn, (vma: VmaId) => {
    if ((vm_flags(m, vma) & (VM_SHARED | VM_PFNMAP)) !== 0) return;
    const tlb = tlb_gather_mmu(cpu, mm);
    zapRange(cpu, tlb, vma, vm_start(m, vma), vm_end(m, vma), true, 'keep');
    tlb_finish_mmu(cpu, tlb);
  });
  count_vm_events(cpu, OOM_REAPED_PAGES, Math.max(0, before - held()));
}

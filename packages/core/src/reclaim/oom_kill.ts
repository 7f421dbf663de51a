/**
 * The killer: when reclaim has found nothing, the process that has most is told to die, and the rest goes on with its memory.
 *
 *   charging CPU                              CPU of the largest process
 *   1 no page, and reclaim finds none
 *   2 oom_lock, by trylock
 *   3 a victim that still has memory? waits
 *   4 marks the largest one, SIGKILL          5 leaves what it is in, and exits
 *                                             6 cannot, because it waits for something that 1 has
 *   7 the reaper takes its private pages      <- decides: whatever it waits for, its memory comes back
 *   8 tries again
 *
 * A process is an address space with a user. Its tasks are the CPUs that run on it; if there is none at the moment, nobody is told, and it is reaped.
 * @kernel mm/oom_kill.c out_of_memory(), select_bad_process(), oom_badness(), oom_kill_process(), mark_oom_victim()
 * @fidelity reduced: no panic when nobody can be killed: the allocation fails; no reserves for victims; no OOM groups, no cpusets
 * Next: reclaim/oom_reaper.ts
 */
import type { MmId } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_OOM } from '../locking/lock_class.ts';
import { mutex_trylock, mutex_unlock } from '../locking/mutex.ts';
import { atomic_fetch_or, atomic_read, READ_ONCE } from '../memory/atomic.ts';
import { memcgEvent, memcgMax, memcgUsage, ROOT_MEMCG } from '../mm/memcg.ts';
import {
  anonRssWord,
  fileRssWord,
  MMF_OOM_REAP_QUEUED,
  MMF_OOM_SKIP,
  MMF_OOM_VICTIM,
  mm_memcg,
  mmdrop,
  mmFlagsWord,
  mmgrab,
  mmgrabNotZero,
  mmPgtablesWord,
  mmUsersWord,
  oom_score_adj,
  shmemRssWord,
  swapEntsWord,
} from '../mm/mm_struct.ts';
import { OOM_LOCK, oomKillerOn } from '../mm/oom_victim.ts';
import { get_nr_swap_pages } from '../mm/swapfile.ts';
import { killTasksOf } from '../mm/task_mm.ts';
import { hasKthread, KTHREAD_OOM_REAPER, wakeKthread } from '../sched/kthread.ts';
import { count_vm_event, OOM_KILL, OOM_WAITED } from '../trace/counters.ts';
import { at, BETWEEN_MARK_AND_KILL } from '../trace/points.ts';
import { oomReaperStep } from './oom_reaper.ts';

/** An address space with this oom_score_adj is never killed. @kernel OOM_SCORE_ADJ_MIN */
export const OOM_SCORE_ADJ_MIN = -1000;
/** What no process may be chosen by. */
const NEVER: number = Number.NEGATIVE_INFINITY;

/** What is to be done: nobody can be killed; somebody was told already; or a process, with a pin on its record. */
type Choice = { readonly found: 'nobody' | 'waiting' } | { readonly found: 'victim'; readonly mm: MmId };

/**
 * Kills a process, unless an earlier victim still has memory to give, or another CPU is about to choose one.
 * @param memcg only processes of that cgroup, because its limit is the reason; null: of the whole machine
 * @locks in: no spinlock, no i_mmap and no anon_vma lock. Takes oom_lock by trylock, and what oomReaperStep() takes
 * @returns whether memory may come of it: then the caller waits a moment and tries again. False: nobody can be killed, or nobody is to be
 */
export function out_of_memory(cpu: Cpu, memcg: number | null): boolean {
  if (!oomKillerOn(cpu.memory)) return false;
  if (!mutex_trylock(cpu, OOM_LOCK, LOCK_OOM)) {
    count_vm_event(cpu, OOM_WAITED);
    return true;
  }
  const found = killSomebody(cpu, memcg);
  mutex_unlock(cpu, OOM_LOCK);
  if (found === 'waiting') {
    count_vm_event(cpu, OOM_WAITED);
    if (!hasKthread(cpu.memory, KTHREAD_OOM_REAPER)) oomReaperStep(cpu);
  }
  return found !== 'nobody';
}

/** @locks in: oom_lock */
function killSomebody(cpu: Cpu, memcg: number | null): Choice['found'] {
  // Somebody may have been killed, and be gone, while this CPU was on its way here.
  if (memcg !== null && memcgUsage(cpu, memcg) < memcgMax(cpu, memcg)) return 'victim';
  const choice = select_bad_process(cpu, memcg);
  if (choice.found === 'victim') oom_kill_process(cpu, choice.mm);
  return choice.found;
}

/**
 * Looks at every process. Each record is pinned while it is looked at, and the largest until the end: a slot that is given to another process in
 * between must not be what is killed. @kernel oom_evaluate_task()
 */
function select_bad_process(cpu: Cpu, memcg: number | null): Choice {
  const totalPages = memcg === null ? allPages(cpu) : Math.min(memcgMax(cpu, memcg), allPages(cpu));
  let chosen: MmId = NO_MM;
  let most = NEVER;
  let waiting = false;
  for (let slot = 1; slot <= cpu.memory.size.mms && !waiting; slot++) {
    const mm = slot as MmId;
    if (!mmgrabNotZero(cpu, mm)) continue;
    const concerned = memcg === null || mm_memcg(cpu.memory, mm) === memcg;
    waiting = concerned && (flagsOf(cpu, mm) & (MMF_OOM_VICTIM | MMF_OOM_SKIP)) === MMF_OOM_VICTIM;
    const points = concerned ? oom_badness(cpu, mm, totalPages) : NEVER;
    if (points === NEVER || points <= most) {
      mmdrop(cpu, mm);
      continue;
    }
    if (chosen !== NO_MM) mmdrop(cpu, chosen);
    chosen = mm;
    most = points;
  }
  if (waiting && chosen !== NO_MM) mmdrop(cpu, chosen);
  if (waiting) return { found: 'waiting' };
  return chosen === NO_MM ? { found: 'nobody' } : { found: 'victim', mm: chosen };
}

/**
 * How much would come free: pages in memory and in swap, and page tables, and what oom_score_adj makes of it.
 * @param mm pinned. @returns pages, or minus infinity for what is never killed, has no user any more, or has nothing left to give
 */
export function oom_badness(cpu: Cpu, mm: MmId, totalPages: number): number {
  const m = cpu.memory;
  const adj = oom_score_adj(m, mm);
  if (adj === OOM_SCORE_ADJ_MIN || READ_ONCE(cpu, mmUsersWord(m, mm)) === 0 || (flagsOf(cpu, mm) & MMF_OOM_SKIP) !== 0) return NEVER;
  const words = [anonRssWord, fileRssWord, shmemRssWord, swapEntsWord, mmPgtablesWord];
  const pages = words.reduce((sum, word) => sum + READ_ONCE(cpu, word(m, mm)), 0);
  return pages + adj * Math.floor(totalPages / 1000);
}

/** @param mm pinned; the pin is the reaper's afterwards. @locks in: oom_lock */
function oom_kill_process(cpu: Cpu, mm: MmId): void {
  const m = cpu.memory;
  // The mark before the look at who runs on it. Pairs with: becomeTaskOf().
  atomic_fetch_or(cpu, mmFlagsWord(m, mm), MMF_OOM_VICTIM);
  at(cpu, BETWEEN_MARK_AND_KILL);
  count_vm_event(cpu, OOM_KILL);
  if (mm_memcg(m, mm) !== ROOT_MEMCG) memcgEvent(cpu, mm_memcg(m, mm), 'oom_kill');
  killTasksOf(cpu, mm);
  queue_oom_reaper(cpu, mm);
  mmdrop(cpu, mm);
}

/** Puts a victim on the list of the reaper, with a pin of its own. @param mm pinned by the caller */
export function queue_oom_reaper(cpu: Cpu, mm: MmId): void {
  mmgrab(cpu, mm); // Before the mark: whoever takes the mark has the pin.
  const before = atomic_fetch_or(cpu, mmFlagsWord(cpu.memory, mm), MMF_OOM_REAP_QUEUED); // Release: the pin. Pairs with: takeFromQueue().
  if ((before & MMF_OOM_REAP_QUEUED) !== 0) mmdrop(cpu, mm);
  else wakeKthread(cpu, KTHREAD_OOM_REAPER);
}

const flagsOf = (cpu: Cpu, mm: MmId): number => atomic_read(cpu, mmFlagsWord(cpu.memory, mm)); // Pairs with: oom_kill_process(), setOomSkip().

/** Frames, and what is left in swap areas. */
const allPages = (cpu: Cpu): number => cpu.memory.size.frames + get_nr_swap_pages(cpu.memory);

/**
 * Slowing down those who dirty pages: above the limit they sleep in short pauses until write-back has caught up. They write nothing themselves.
 *
 *   dirtying CPU                              CPU that ends an I/O
 *   1 counts itself as throttled
 *   2 announces its sleep
 *   3 reads the counts: above the limit
 *                                             4 lowers them
 *                                             5 sees that somebody is throttled, wakes
 *   6 sleeps: its state says that it was woken  <- decides: it looks again
 *
 * @kernel mm/page-writeback.c balance_dirty_pages_ratelimited(), balance_dirty_pages()
 * @fidelity reduced: one limit for the machine, no estimate of the device's speed: pauses of one length until the counts are below the limit
 * Next: io/writeback.ts
 */
import type { CpuId, MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add, atomic_read } from '../memory/atomic.ts';
import { PC_NR_DIRTIED, PC_WAIT_KIND, WAIT_DIRTY } from '../memory/percpu.ts';
import { KTHREAD_WRITEBACK, wakeKthread } from '../sched/kthread.ts';
import {
  __set_current_state_running,
  cpuWord,
  fatal_signal_pending,
  schedule_timeout,
  set_current_state,
  TASK_KILLABLE,
  wake_up_process,
} from '../sched/task.ts';
import { count_vm_event, DIRTY_PAUSES, DIRTY_THROTTLED } from '../trace/counters.ts';
import { mapping_can_writeback } from './address_space.ts';
import { dirty_background, dirty_thresh } from './vm_sysctl.ts';
import { NR_DIRTY_THROTTLED, NR_FILE_DIRTY, NR_WRITEBACK, nrFileDirtyOnce } from './vmstat.ts';

/** The longest pause, for the case that nobody ends an I/O. */
const PAUSE_MS = 10;
/** A task looks at the limit after it has dirtied this share of it, at most RATELIMIT_MAX pages. */
const RATELIMIT_SHIFT = 5;
const RATELIMIT_MAX = 32;

/** Dirty pages, and pages on their way to a device: what the limit is about. */
const dirtyPages = (cpu: Cpu): number => atomic_read(cpu, NR_FILE_DIRTY) + atomic_read(cpu, NR_WRITEBACK); // Pairs with: folio_clear_dirty_for_io(), folio_end_writeback().

/**
 * Called by whoever has made pages of the file dirty. Sleeps while too much is dirty, unless the file is one that is never written back.
 * @locks in: none that write-back needs: no folio lock, not i_mmap. The caller keeps the file. A fatal signal ends the sleep
 */
export function balance_dirty_pages_ratelimited(cpu: Cpu, file: MappingId): void {
  const m = cpu.memory;
  if (!mapping_can_writeback(m, file)) return;
  const ratelimit = Math.min(RATELIMIT_MAX, Math.max(1, dirty_thresh(m) >> RATELIMIT_SHIFT));
  const dirtied = cpu.percpu + PC_NR_DIRTIED;
  if ((cpu.words[dirtied] as number) < ratelimit) return;
  cpu.words[dirtied] = 0;
  balance_dirty_pages(cpu);
}

function balance_dirty_pages(cpu: Cpu): void {
  const limit = dirty_thresh(cpu.memory);
  if (nrFileDirtyOnce(cpu) > dirty_background(cpu.memory)) wakeKthread(cpu, KTHREAD_WRITEBACK);
  if (dirtyPages(cpu) <= limit) return;
  count_vm_event(cpu, DIRTY_THROTTLED);
  atomic_fetch_add(cpu, NR_DIRTY_THROTTLED, 1); // Before the look at the counts. Pairs with: wakeThrottled().
  while (!fatal_signal_pending(cpu)) {
    set_current_state(cpu, TASK_KILLABLE);
    if (dirtyPages(cpu) <= limit) break;
    count_vm_event(cpu, DIRTY_PAUSES);
    wakeKthread(cpu, KTHREAD_WRITEBACK);
    schedule_timeout(cpu, WAIT_DIRTY, NR_FILE_DIRTY, PAUSE_MS);
  }
  __set_current_state_running(cpu);
  atomic_fetch_add(cpu, NR_DIRTY_THROTTLED, -1); // Alone: a look too many costs the waker a little.
}

/** For whoever ends a write: those who are throttled look again. Never sleeps. */
export function wakeThrottled(cpu: Cpu): void {
  if (atomic_read(cpu, NR_DIRTY_THROTTLED) === 0) return; // After the counts went down. Pairs with: balance_dirty_pages().
  for (let id = 0; id < cpu.memory.size.cpus; id++) {
    const target = id as CpuId;
    // The pause is short, so a sleeper that has not said yet what it waits for is none that is lost.
    if (cpu.words[cpuWord(cpu, target, PC_WAIT_KIND)] === WAIT_DIRTY) wake_up_process(cpu, target);
  }
}

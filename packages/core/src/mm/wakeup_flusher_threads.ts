/**
 * Work for the write-back thread that somebody asks for, whatever the background limit says.
 * @kernel fs/fs-writeback.c wakeup_flusher_threads(), wb_start_all, wb_queue_work()
 * @fidelity reduced: one thread; a word for each kind of work instead of a queue
 * Next: io/writeback_thread.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set } from '../memory/atomic.ts';
import { H_VM } from '../memory/header.ts';
import { hasKthread, KTHREAD_WRITEBACK, wakeKthread } from '../sched/kthread.ts';

/** Non-zero: everything that is dirty is to be written, without waiting for anything. */
export const WB_START_ALL = (H_VM + 3) as Word;
/** Atomic: how often somebody asked for everything to be on the devices, and the last time that was asked for before all of it was submitted. */
export const WB_SYNC_WANTED = (H_VM + 4) as Word;
export const WB_SYNC_DONE = (H_VM + 5) as Word;

/** Everything that is dirty is to be written soon. Nothing happens without a write-back thread. Never sleeps */
export function wakeup_flusher_threads(cpu: Cpu): void {
  if (!hasKthread(cpu.memory, KTHREAD_WRITEBACK)) return;
  // Before the wake-up. Pairs with: takeStartAll().
  if (atomic_read(cpu, WB_START_ALL) === 0) atomic_set(cpu, WB_START_ALL, 1);
  wakeKthread(cpu, KTHREAD_WRITEBACK);
}

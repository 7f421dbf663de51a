/**
 * The write-back thread.
 * @kernel fs/fs-writeback.c wb_workfn(), wb_do_writeback()
 * @fidelity reduced: one for all devices
 * Next: io/writeback.ts
 */
import type { KthreadWork } from '../sched/kthread.ts';
import { writebackStep } from './writeback.ts';

/** @kernel vm.dirty_writeback_centisecs */
const PERIOD_MS = 5_000;

/** What the thread does: for sched/kthread.ts. */
export const writebackWork = (): KthreadWork => ({
  pass: (cpu) => writebackStep(cpu) > 0,
  periodMs: () => PERIOD_MS,
});

/**
 * The sleep inside a lock's queue: with or without a deadline, and the result of a wait that ran out of time.
 * @kernel schedule(), schedule_timeout()
 * @fidelity reduced: the kernel's rwsem and mutex have no timed wait; ours leaves the queue as a killed waiter does
 * Next: locking/rwsem_slowpath.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { schedule, schedule_timeout } from '../sched/task.ts';

/** The deadline passed. The kernel's number for it. */
export const ETIMEDOUT = -110;

/** How a caller is willing to wait. */
export interface WaitRequest {
  /** A count that the fast path saw, where the slow path needs it. */
  readonly count: number;
  /** TASK_UNINTERRUPTIBLE or TASK_KILLABLE. */
  readonly state: number;
  /** On this CPU's clock; Infinity for none. */
  readonly deadlineMs: number;
}

/** Has the deadline passed? Reads the clock only if there is one. */
export function isLate(cpu: Cpu, deadlineMs: number): boolean {
  return deadlineMs !== Number.POSITIVE_INFINITY && cpu.now() >= deadlineMs;
}

/** schedule() that ends at the deadline at the latest. */
export function scheduleUntil(cpu: Cpu, kind: number, word: Word, deadlineMs: number): void {
  if (deadlineMs === Number.POSITIVE_INFINITY) schedule(cpu, kind, word);
  else schedule_timeout(cpu, kind, word, Math.max(0, deadlineMs - cpu.now()));
}

/**
 * "Thread t has completed n operations": how a CPU waits for what the order of the trace demands.
 *
 *   waiting CPU                               completing CPU
 *   1 adds itself to the waiters
 *   2 reads the count: too low
 *                                             3 writes the count, then looks at the waiters: one  <- decides: wakes
 *   4 parks on the count that it saw: returns at once, or is woken
 *
 * A count is written only at operations that somebody waits for, so a sleeper is not woken in vain at every step.
 * Next: replay_cpu.ts
 */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { cpu_relax, spinLooks } from '@faultlab/core/locking/cpu_relax';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { beginWait, endWait, PARK_MS_MAX, park, unpark } from '@faultlab/core/memory/park';
import { WAIT_ORDER } from '@faultlab/core/memory/percpu';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/sched/rcu_state';
import { completedAt, QUIET_AT, waitersAt } from './replay_map.ts';

const EVERYBODY = 0x7fffffff;
/** Shorter pauses are not worth a sleep, whose end is only so exact. */
const PAUSE_SPIN_MS = 0.2;

const wordOf = (cpu: Cpu, index: number): Word => (cpu.memory.userAt + index) as Word;

/** Says that the thread has completed so many operations. */
export function publishCompleted(cpu: Cpu, thread: number, count: number): void {
  atomic_set(cpu, wordOf(cpu, completedAt(thread)), count); // Release: all effects of the operations. Pairs with: awaitCompleted().
  if (atomic_read(cpu, wordOf(cpu, waitersAt(thread))) === 0) return; // Pairs with: awaitCompleted(), which counts itself before it looks.
  unpark(cpu, wordOf(cpu, completedAt(thread)), EVERYBODY);
}

/**
 * Waits until the thread has completed `count` operations. @returns whether it had to sleep
 * @param stopped asked after every sleep; ends the wait early. May throw
 */
export function awaitCompleted(cpu: Cpu, thread: number, count: number, stopped: () => boolean): boolean {
  const word = wordOf(cpu, completedAt(thread));
  for (let looks = spinLooks(cpu); looks >= 0; looks--) {
    if (atomic_read(cpu, word) >= count) return false; // Acquire. Pairs with: publishCompleted().
    cpu_relax(cpu);
  }
  atomic_fetch_add(cpu, wordOf(cpu, waitersAt(thread)), 1); // Pairs with: publishCompleted().
  // Announced once for all sleeps, so that the watchdog sees one long wait, which may well be longer than a stall.
  beginWait(cpu, WAIT_ORDER, word);
  for (;;) {
    const seen = atomic_read(cpu, word); // Acquire. Pairs with: publishCompleted().
    if (seen >= count || stopped()) break;
    sleepOn(cpu, word, seen, PARK_MS_MAX);
  }
  endWait(cpu);
  atomic_fetch_add(cpu, wordOf(cpu, waitersAt(thread)), -1); // Alone: too many waiters cost a wake-up in vain, no more.
  return true;
}

/** Waits until the CPU's clock says `untilMs`. @param stopped asked after every sleep, as above */
export function awaitTime(cpu: Cpu, untilMs: number, stopped: () => boolean): void {
  const quiet = wordOf(cpu, QUIET_AT);
  for (let left = untilMs - cpu.now(); left > 0 && !stopped(); left = untilMs - cpu.now()) {
    if (left <= PAUSE_SPIN_MS) cpu_relax(cpu);
    else sleepOn(cpu, quiet, 0, left - PAUSE_SPIN_MS / 2);
  }
}

/** Grace periods do not wait for a CPU that sleeps. */
function sleepOn(cpu: Cpu, word: Word, seen: number, ms: number): void {
  rcu_idle_enter(cpu);
  park(cpu, word, seen, ms);
  rcu_idle_exit(cpu);
}

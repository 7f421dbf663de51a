/**
 * A loop that may not end before another task has had a core lets that task have one.
 *
 *   GUP (this CPU)                            fault (another CPU)
 *                                             1 folio trylock of a device's page; its thread loses its core
 *   2 faults on the page: locked, 0
 *   3 once more, and once more                  not running  <- decides: who only repeats step 3 uses the core that the other needs
 *   4 sleeps for a tick
 *                                             5 moves the page, unlocks
 *
 * A fault that is tried again under mmap_lock does the same: whoever closes a userfaultfd marks it first and takes mmap_lock after that, and a fault
 * in between finds the mark, does not wait, and comes back.
 *
 * @kernel cond_resched(); for a fault, might_sleep() in down_read()
 * @fidelity reduced: no run queue that could tell whether anybody needs the core, so the number of rounds tells
 * Next: fault/gup.ts, fault/do_user_addr_fault.ts
 */
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { PC_TASK_STATE, WAIT_RESCHED } from '../memory/percpu.ts';
import { schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE } from './task.ts';

/** So many rounds without a pause: the others are at work on other cores, as a rule, and the loop ends by itself. */
export const ROUNDS_FREE = 64;
/** One tick at 250 a second. */
const TICK_MS = 4;

/**
 * Once a round of such a loop. Sleeps for a tick from round ROUNDS_FREE on.
 * @param round of the loop, from 1
 * @locks none that spins; not inside an RCU read section. May sleep.
 */
export function cond_resched(cpu: Cpu, round: number): void {
  if (round <= ROUNDS_FREE) return;
  set_current_state(cpu, TASK_UNINTERRUPTIBLE);
  schedule_timeout(cpu, WAIT_RESCHED, (cpu.percpu + PC_TASK_STATE) as Word, TICK_MS);
}

/**
 * One waiter, any number of wakers, no lock: the waiter writes its name, announces its sleep and checks; a waker changes the condition and
 * reads the name. At least one of them sees the other.
 *
 *   waiter                                  waker
 *   1 name and sleeping state (barrier A)
 *                                           2 changes the condition (barrier B)
 *   3 checks the condition: sees 2 -> done
 *                                           4 reads the name: sees 1 -> wake_up_process
 *   either 3 sees 2 or 4 sees 1  <- decides: no wake-up is lost
 *
 * @kernel include/linux/rcuwait.h, kernel/exit.c rcuwait_wake_up()
 * @fidelity faithful for one waiter; the name is a CPU number, so no task can die under the waker
 * Next: mm/vma_lock.ts waits for readers with it
 */
import { invariant } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_read, atomic_xchg } from '../memory/atomic.ts';
import { WAIT_RCUWAIT } from '../memory/percpu.ts';
import { __set_current_state_running, schedule, set_current_state, signal_pending_state, wake_up_process } from '../sched/task.ts';

/** 0, or the number of the waiting CPU plus one. */
export const RCUWAIT_WORDS = 1;

/** Enters the waiter's name. A second waiter is an InvariantError (I08). */
export function prepare_to_rcuwait(cpu: Cpu, word: Word): void {
  const before = atomic_cmpxchg(cpu, word, 0, cpu.id + 1); // Barrier A with set_current_state(). Pairs with: rcuwait_wake_up().
  invariant(before === 0, 'I08', 'prepare_to_rcuwait: somebody waits here already');
}

/** Removes the name; the task runs. */
export function finish_rcuwait(cpu: Cpu, word: Word): void {
  const before = atomic_xchg(cpu, word, 0); // Alone: a waker that still reads the name wakes a running task, which does nothing.
  invariant(before === cpu.id + 1, 'I08', 'finish_rcuwait: somebody else has entered his name');
  __set_current_state_running(cpu);
}

/** Wakes the waiter if there is one. The caller has made the condition true before. Never sleeps. @returns whether it slept */
export function rcuwait_wake_up(cpu: Cpu, word: Word): boolean {
  const waiter = atomic_read(cpu, word); // Barrier B before it. Pairs with: prepare_to_rcuwait(), set_current_state().
  return waiter !== 0 && wake_up_process(cpu, (waiter - 1) as CpuId);
}

/** Sleeps until the condition holds. @returns 0 when it does, EINTR when a signal that `state` allows came first */
export function rcuwait_wait_event(cpu: Cpu, word: Word, condition: () => boolean, state: number): number {
  prepare_to_rcuwait(cpu, word);
  let result = 0;
  for (;;) {
    set_current_state(cpu, state); // Barrier A. Pairs with: rcuwait_wake_up().
    if (condition()) break;
    if (signal_pending_state(cpu, state)) {
      result = EINTR;
      break;
    }
    schedule(cpu, WAIT_RCUWAIT, word);
  }
  finish_rcuwait(cpu, word);
  return result;
}

/**
 * The outside's half of the rest that background threads take between runs.
 * Next: core's sched/kthread.ts has the threads' half.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { PC_TASK_STATE, percpuBase } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { KTHREAD_REST, KTHREADS_MAX, kthreadCpu, restingWord } from '@faultlab/core/sched/kthread';
import { TASK_RUNNING } from '@faultlab/core/sched/task';

const resting = ({ words }: SharedMemory): boolean => (Atomics.load(words, KTHREAD_REST) & 1) !== 0;

/** Asks all threads to rest after what they are in, and wakes those that sleep. */
export function askForRest(m: SharedMemory): void {
  if (resting(m)) return;
  Atomics.add(m.words, KTHREAD_REST, 1); // Before the wake-ups. Pairs with: kthread().
  for (let id = 0; id < KTHREADS_MAX; id++) {
    const cpu = kthreadCpu(m, id);
    if (cpu < 0) continue;
    const state = percpuBase(m.percpuAt, cpu as CpuId) + PC_TASK_STATE;
    if (Atomics.exchange(m.words, state, TASK_RUNNING) !== TASK_RUNNING) Atomics.notify(m.words, state, 1);
  }
}

/** Do all threads take the rest that is asked for? */
export function allRest(m: SharedMemory): boolean {
  const asked = Atomics.load(m.words, KTHREAD_REST);
  for (let id = 0; id < KTHREADS_MAX; id++) {
    if (kthreadCpu(m, id) >= 0 && Atomics.load(m.words, restingWord(id)) !== asked) return false; // Pairs with: takeRest().
  }
  return true;
}

/** The threads work again. */
export function endRest(m: SharedMemory): void {
  if (!resting(m)) return;
  Atomics.add(m.words, KTHREAD_REST, 1); // Pairs with: takeRest().
  Atomics.notify(m.words, KTHREAD_REST);
}

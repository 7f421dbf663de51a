/**
 * What stands between a program and a buffer of a device: the reservation lock, which whoever looks at the buffer holds, and a fence, which the
 * device signals when the work that it has been given on the buffer is over. One of each in the record of the buffer's file.
 *
 *   waiting CPU                               signalling CPU
 *   1 lock: not signalled, joins the queue
 *   2 announces that it sleeps, unlocks
 *                                             3 lock: signalled; wakes the queue  <- decides: 1 comes before 3, or 1 sees 3
 *   4 woken, or never asleep
 *
 * @kernel drivers/dma-buf/dma-fence.c dma_fence_signal(), dma_fence_default_wait(); drivers/dma-buf/dma-resv.c
 * @fidelity reduced: one fence per buffer, used again and again; the reservation lock is a mutex without wound/wait, and its wait ends by a fatal signal
 *   only
 * Next: fault/ttm_bo_vm_fault.ts
 */
import { assert } from '../base/assert.ts';
import type { CpuId, MappingId, Word } from '../base/brand.ts';
import { EINTR } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { mutex_lock_killable, mutex_trylock, mutex_unlock } from '../locking/mutex.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { appendSelf, firstWaiter, isQueued, NO_WAITER, removeWaiter } from '../locking/wait_list.ts';
import { WAIT_FENCE } from '../memory/percpu.ts';
import {
  __set_current_state_running,
  schedule,
  set_current_state,
  signal_pending_state,
  TASK_INTERRUPTIBLE,
  TASK_UNINTERRUPTIBLE,
  wake_up_process,
} from '../sched/task.ts';
import { fenceWords, resvLockWord } from './address_space.ts';

const PENDING = 0;
const LOCK = 1;
const LIST = 2;
const word = (cpu: Cpu, file: MappingId, field: number): Word => (fenceWords(cpu.memory, file) + field) as Word;

/** The device has been given work on the buffer: from now on the fence is not signalled. Never sleeps. */
export function dmaFenceBegin(cpu: Cpu, file: MappingId): void {
  const lock = word(cpu, file, LOCK);
  spin_lock(cpu, lock);
  assert(cpu.words[word(cpu, file, PENDING)] === 0, 'dmaFenceBegin: the device is at work on the buffer already');
  cpu.words[word(cpu, file, PENDING)] = 1;
  spin_unlock(cpu, lock);
}

/** The work is over: everybody who waits goes on. By any CPU. Never sleeps. */
export function dma_fence_signal(cpu: Cpu, file: MappingId): void {
  const lock = word(cpu, file, LOCK);
  const list = word(cpu, file, LIST);
  spin_lock(cpu, lock);
  cpu.words[word(cpu, file, PENDING)] = 0;
  for (let first = firstWaiter(cpu, list); first !== NO_WAITER; first = firstWaiter(cpu, list)) {
    removeWaiter(cpu, list, first);
    wake_up_process(cpu, (first - 1) as CpuId);
  }
  spin_unlock(cpu, lock);
}

/** Is the device done with the buffer? @kernel dma_resv_test_signaled() */
export function dma_fence_is_signaled(cpu: Cpu, file: MappingId): boolean {
  const lock = word(cpu, file, LOCK);
  spin_lock(cpu, lock);
  const signaled = cpu.words[word(cpu, file, PENDING)] === 0;
  spin_unlock(cpu, lock);
  return signaled;
}

/** Sleeps until the device is done. @param interruptible any signal ends the wait. @returns 0 or EINTR @kernel dma_fence_wait() */
export function dma_fence_wait(cpu: Cpu, file: MappingId, interruptible: boolean): number {
  const state = interruptible ? TASK_INTERRUPTIBLE : TASK_UNINTERRUPTIBLE;
  const lock = word(cpu, file, LOCK);
  const list = word(cpu, file, LIST);
  const me = cpu.id + 1;
  let result = 0;
  spin_lock(cpu, lock);
  while (cpu.words[word(cpu, file, PENDING)] !== 0 && result === 0) {
    if (signal_pending_state(cpu, state)) {
      result = EINTR;
      break;
    }
    if (!isQueued(cpu, list, me)) appendSelf(cpu, list);
    set_current_state(cpu, state); // Before the unlock: the signaller needs the lock, so it sees the state. Pairs with: dma_fence_signal().
    spin_unlock(cpu, lock);
    schedule(cpu, WAIT_FENCE, word(cpu, file, PENDING));
    spin_lock(cpu, lock);
  }
  if (isQueued(cpu, list, me)) removeWaiter(cpu, list, me);
  spin_unlock(cpu, lock);
  __set_current_state_running(cpu);
  return result;
}

/** @returns whether the buffer's reservation is this CPU's now. Never sleeps */
export const dma_resv_trylock = (cpu: Cpu, file: MappingId): boolean => mutex_trylock(cpu, resvLockWord(cpu.memory, file));
/** @locks out: the reservation, with 0. May sleep. @returns 0 or EINTR */
export const dma_resv_lock_interruptible = (cpu: Cpu, file: MappingId): number => mutex_lock_killable(cpu, resvLockWord(cpu.memory, file));
export const dma_resv_unlock = (cpu: Cpu, file: MappingId): void => mutex_unlock(cpu, resvLockWord(cpu.memory, file));

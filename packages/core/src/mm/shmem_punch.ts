/**
 * The range of a shmem file that a hole punch works on. Faults on it wait until the punch is over, instead of filling the hole again and again.
 *
 *   punching CPU (has i_rwsem)                faulting CPU
 *   1 lock of the tree: publishes the range
 *                                             2 sees that there is one; lock of the tree: its page is inside
 *                                             3 drops its fault lock, if it may
 *   4 unmaps, takes the pages out
 *   5 lock of the tree: no range any more,
 *     wakes those who wait
 *                                             6 lock of the tree: still inside? only then it queues and sleeps  <- decides: it cannot
 *                                               queue after 5
 *
 * A fault that looked before 1 may put a page into the hole after 4 has passed by. That page is zero, as the hole is.
 * @kernel mm/shmem.c struct shmem_falloc, shmem_fallocate(), shmem_falloc_wait()
 * @fidelity faithful; the lock of the tree stands for i_lock, and the queue is in the record of the file, not on the stack of the puncher
 * Next: syscalls/shmem_fallocate.ts punches, fault/shmem_fault.ts waits
 */
import type { CpuId, MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { appendSelf, firstWaiter, isQueued, NO_WAITER, removeWaiter } from '../locking/wait_list.ts';
import { READ_ONCE, WRITE_ONCE } from '../memory/atomic.ts';
import { WAIT_PUNCH } from '../memory/percpu.ts';
import { __set_current_state_running, schedule, set_current_state, TASK_UNINTERRUPTIBLE, wake_up_process } from '../sched/task.ts';
import { pagesLockWord, punchCountWord, punchEndWord, punchStartWord, punchWaiters } from './address_space.ts';

/** Publishes the range [start, end). @locks in: i_rwsem, so there is no other punch. Takes the lock of the tree */
export function beginPunch(cpu: Cpu, file: MappingId, start: number, end: number): void {
  const m = cpu.memory;
  spin_lock(cpu, pagesLockWord(m, file));
  cpu.words[punchStartWord(m, file)] = start;
  cpu.words[punchEndWord(m, file)] = end;
  WRITE_ONCE(cpu, punchCountWord(m, file), 1);
  spin_unlock(cpu, pagesLockWord(m, file));
}

/** Ends the punch and wakes all who wait for that. @locks in: i_rwsem. Takes the lock of the tree; does not sleep */
export function endPunch(cpu: Cpu, file: MappingId): void {
  const m = cpu.memory;
  const list = punchWaiters(m, file);
  spin_lock(cpu, pagesLockWord(m, file));
  WRITE_ONCE(cpu, punchCountWord(m, file), 0);
  for (let waiter = firstWaiter(cpu, list); waiter !== NO_WAITER; waiter = firstWaiter(cpu, list)) {
    removeWaiter(cpu, list, waiter);
    wake_up_process(cpu, (waiter - 1) as CpuId);
  }
  spin_unlock(cpu, pagesLockWord(m, file));
}

/** Is a punch of the file under way? A hint, without a lock: see the race above. */
export const punchUnderWay = (cpu: Cpu, file: MappingId): boolean => READ_ONCE(cpu, punchCountWord(cpu.memory, file)) !== 0;

/** @locks in: the lock of the tree */
const covers = (cpu: Cpu, file: MappingId, index: number): boolean => {
  const m = cpu.memory;
  if (cpu.words[punchCountWord(m, file)] === 0) return false;
  return index >= (cpu.words[punchStartWord(m, file)] as number) && index < (cpu.words[punchEndWord(m, file)] as number);
};

/** Is that page inside the range of a punch? Takes the lock of the tree. */
export function isBeingPunched(cpu: Cpu, file: MappingId, index: number): boolean {
  spin_lock(cpu, pagesLockWord(cpu.memory, file));
  const inside = covers(cpu, file, index);
  spin_unlock(cpu, pagesLockWord(cpu.memory, file));
  return inside;
}

/** Waits until no punch has the page inside. The caller keeps the file. Sleeps uninterruptibly. */
export function waitForPunch(cpu: Cpu, file: MappingId, index: number): void {
  const m = cpu.memory;
  const lock = pagesLockWord(m, file);
  const list = punchWaiters(m, file);
  spin_lock(cpu, lock);
  if (covers(cpu, file, index)) {
    const me = appendSelf(cpu, list);
    while (isQueued(cpu, list, me)) {
      set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the unlock: the waker needs the lock, so it sees the state. Pairs with: endPunch().
      spin_unlock(cpu, lock);
      schedule(cpu, WAIT_PUNCH, punchCountWord(m, file));
      spin_lock(cpu, lock);
    }
  }
  spin_unlock(cpu, lock);
  __set_current_state_running(cpu);
}

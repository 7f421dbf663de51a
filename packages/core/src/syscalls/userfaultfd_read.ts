/**
 * The handler's side: waits for a fault or an event and takes the oldest one. Faults come first.
 * @kernel fs/userfaultfd.c userfaultfd_ctx_read(), find_userfault(), find_userfault_evt()
 * @fidelity reduced: one message a call; a reader counts as a reference, so that a context may be closed while somebody reads
 * Next: syscalls/userfaultfd_ioctl.ts
 */
import type { CpuId, UffdId } from '../base/brand.ts';
import { EAGAIN, EINTR, ENODEV } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { WAIT_UFFD_READ } from '../memory/percpu.ts';
import {
  uffdEventList,
  uffdLockWord,
  uffdPendingList,
  uffdReaderList,
  uffdReadList,
  uffdReleased,
  userfaultfd_ctx_get,
  userfaultfd_ctx_put,
} from '../mm/userfaultfd_ctx.ts';
import {
  addUffdWaiter,
  firstUffdWaiter,
  NO_UFFD_WAITER,
  removeUffdWaiter,
  setUffdWaiterField,
  type UserfaultMessage,
  UW_ARGUMENT,
  UW_EVENT,
  UW_FLAGS,
  UW_PAGES,
  UW_VPN,
  uffdWaiterField,
} from '../mm/userfaultfd_wait.ts';
import {
  __set_current_state_running,
  schedule_timeout,
  set_current_state,
  signal_pending,
  TASK_INTERRUPTIBLE,
  wake_up_process,
} from '../sched/task.ts';

/**
 * Reads one message, waiting for it at most that long (0: not at all).
 * @locks none in, none out. Sleeps; any signal ends it. The caller is the owner of the context, or has a reference
 * @returns the message; EAGAIN when there is none in time; EINTR for a signal; ENODEV when the context is closed
 */
export function userfaultfd_ctx_read(cpu: Cpu, ctx: UffdId, timeoutMs: number): UserfaultMessage | number {
  const m = cpu.memory;
  const lock = uffdLockWord(m, ctx);
  const me = cpu.id + 1;
  userfaultfd_ctx_get(cpu, ctx);
  spin_lock(cpu, lock);
  addUffdWaiter(cpu, uffdReaderList(m, ctx), me);
  let left = timeoutMs;
  let result: UserfaultMessage | number;
  for (;;) {
    set_current_state(cpu, TASK_INTERRUPTIBLE); // Before the look at the lists. Pairs with: wakeUffdReaders().
    result = takeMessage(cpu, ctx) ?? (uffdReleased(cpu, ctx) ? ENODEV : signal_pending(cpu) ? EINTR : EAGAIN);
    if (result !== EAGAIN || left <= 0) break;
    spin_unlock(cpu, lock);
    left = schedule_timeout(cpu, WAIT_UFFD_READ, lock, left);
    spin_lock(cpu, lock);
  }
  removeUffdWaiter(cpu, me);
  __set_current_state_running(cpu);
  spin_unlock(cpu, lock);
  userfaultfd_ctx_put(cpu, ctx);
  return result;
}

/** @locks in: the context's */
function takeMessage(cpu: Cpu, ctx: UffdId): UserfaultMessage | undefined {
  const m = cpu.memory;
  const fault = firstUffdWaiter(cpu, uffdPendingList(m, ctx));
  if (fault !== NO_UFFD_WAITER) {
    const message = messageOf(cpu, fault);
    removeUffdWaiter(cpu, fault);
    addUffdWaiter(cpu, uffdReadList(m, ctx), fault);
    return message;
  }
  const event = firstUffdWaiter(cpu, uffdEventList(m, ctx));
  if (event === NO_UFFD_WAITER) return undefined;
  const message = messageOf(cpu, event);
  setUffdWaiterField(cpu, event, UW_EVENT, 0);
  removeUffdWaiter(cpu, event);
  wake_up_process(cpu, (event - 1) as CpuId);
  return message;
}

const messageOf = (cpu: Cpu, waiter: number): UserfaultMessage => ({
  event: uffdWaiterField(cpu, waiter, UW_EVENT),
  vpn: uffdWaiterField(cpu, waiter, UW_VPN),
  flags: uffdWaiterField(cpu, waiter, UW_FLAGS),
  pages: uffdWaiterField(cpu, waiter, UW_PAGES),
  argument: uffdWaiterField(cpu, waiter, UW_ARGUMENT),
});

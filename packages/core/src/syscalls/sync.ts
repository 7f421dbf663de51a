/**
 * sync: everything that was dirty is on its device when the call returns. Errors are left for those who sync the files themselves.
 * @kernel fs/sync.c ksys_sync(); fs/fs-writeback.c sync_inodes_sb()
 * @fidelity reduced: the sleep while the thread submits ends by time, too
 * Next: io/writeback_thread.ts
 */
import type { Cpu } from '../cpu.ts';
import { eachFile, filemap_fdatawait_range, filemap_fdatawrite_range } from '../io/writeback.ts';
import { atomic_fetch_add, atomic_read } from '../memory/atomic.ts';
import { WAIT_IO } from '../memory/percpu.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { WB_SYNC_DONE, WB_SYNC_WANTED } from '../mm/wakeup_flusher_threads.ts';
import { hasKthread, KTHREAD_WRITEBACK, wakeKthread } from '../sched/kthread.ts';
import { __set_current_state_running, schedule_timeout, set_current_state, TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { count_vm_event, SYSCALLS } from '../trace/counters.ts';

/** The longest sleep between two looks; a look too many costs nothing. */
const LOOK_MS = 10;

/** @locks none in, none out; may sleep, uninterruptibly. Never fails */
export function sys_sync(cpu: Cpu): number {
  count_vm_event(cpu, SYSCALLS);
  if (hasKthread(cpu.memory, KTHREAD_WRITEBACK)) waitForThread(cpu);
  else eachFile(cpu, (file) => filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'sync'));
  eachFile(cpu, (file) => {
    filemap_fdatawait_range(cpu, file, 0, FILE_END);
    return 0;
  });
  return 0;
}

/** Until the thread has submitted everything that is dirty now. */
function waitForThread(cpu: Cpu): void {
  const mine = (atomic_fetch_add(cpu, WB_SYNC_WANTED, 1) + 1) | 0; // Before the wake-up. Pairs with: takeSync().
  wakeKthread(cpu, KTHREAD_WRITEBACK);
  for (;;) {
    set_current_state(cpu, TASK_UNINTERRUPTIBLE); // Before the look. Pairs with: takeSync().
    if (((atomic_read(cpu, WB_SYNC_DONE) - mine) | 0) >= 0) break;
    schedule_timeout(cpu, WAIT_IO, WB_SYNC_DONE, LOOK_MS);
  }
  __set_current_state_running(cpu);
}

/**
 * The write-back thread: it writes what somebody asked for, what has been dirty for long, and what is more than the background limit, in this order.
 * It waits for no page that is being written and tells nobody of errors: they stay with the file.
 * @kernel fs/fs-writeback.c wb_workfn(), wb_do_writeback(), wb_check_start_all(), wb_check_old_data_flush(), wb_check_background_flush()
 * @fidelity reduced: one thread for all devices
 * Next: io/writeback.ts
 */
import type { CpuId, MappingId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set, atomic_xchg, READ_ONCE } from '../memory/atomic.ts';
import { PC_WAIT_KIND, PC_WAIT_WORD, WAIT_IO } from '../memory/percpu.ts';
import { dirtiedWhenWord } from '../mm/address_space.ts';
import { FILE_END } from '../mm/unmap_mapping.ts';
import { dirty_expire_interval, dirty_writeback_interval } from '../mm/vm_sysctl.ts';
import { WB_START_ALL, WB_SYNC_DONE, WB_SYNC_WANTED } from '../mm/wakeup_flusher_threads.ts';
import type { KthreadWork } from '../sched/kthread.ts';
import { cpuWord, wake_up_process } from '../sched/task.ts';
import { eachDirtyFile, filemap_fdatawrite_range, writebackStep } from './writeback.ts';

/** Without a period the thread looks this often, for the case that somebody forgot to wake it: never a matter of correctness. */
const IDLE_MS = 60_000;

/** What the thread does: for sched/kthread.ts, or one pass at a time by a test. */
export function writebackWork(): KthreadWork {
  let lastMs = 0;
  return {
    pass: (cpu) => {
      let written = takeSync(cpu) + takeStartAll(cpu);
      const everyMs = dirty_writeback_interval(cpu.memory);
      if (everyMs > 0 && cpu.now() - lastMs >= everyMs) {
        lastMs = cpu.now();
        written += writeOld(cpu);
      }
      return written + writebackStep(cpu) > 0;
    },
    periodMs: (cpu) => dirty_writeback_interval(cpu.memory) || IDLE_MS,
  };
}

const writeAll = (cpu: Cpu, file: MappingId): number => filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'none');

/** For those who called sync(): everything that was dirty when they asked is submitted, then they are woken. */
function takeSync(cpu: Cpu): number {
  const wanted = atomic_read(cpu, WB_SYNC_WANTED); // Pairs with: sys_sync().
  if (wanted === READ_ONCE(cpu, WB_SYNC_DONE)) return 0;
  const written = eachDirtyFile(cpu, (file) => filemap_fdatawrite_range(cpu, file, 0, FILE_END, 'sync'));
  atomic_set(cpu, WB_SYNC_DONE, wanted); // After the submissions. Pairs with: sys_sync().
  for (let id = 0; id < cpu.memory.size.cpus; id++) {
    const [kind, word] = [cpuWord(cpu, id as CpuId, PC_WAIT_KIND), cpuWord(cpu, id as CpuId, PC_WAIT_WORD)];
    if (READ_ONCE(cpu, kind) === WAIT_IO && READ_ONCE(cpu, word) === WB_SYNC_DONE) wake_up_process(cpu, id as CpuId);
  }
  return written;
}

function takeStartAll(cpu: Cpu): number {
  if (READ_ONCE(cpu, WB_START_ALL) === 0) return 0;
  atomic_xchg(cpu, WB_START_ALL, 0); // Before the look at the files. Pairs with: wakeup_flusher_threads().
  return eachDirtyFile(cpu, (file) => writeAll(cpu, file));
}

function writeOld(cpu: Cpu): number {
  const expireMs = dirty_expire_interval(cpu.memory);
  return eachDirtyFile(cpu, (file) => {
    const ageMs = ((cpu.now() | 0) - READ_ONCE(cpu, dirtiedWhenWord(cpu.memory, file))) | 0;
    return ageMs < expireMs ? 0 : writeAll(cpu, file);
  });
}

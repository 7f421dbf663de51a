/**
 * Which address space a task runs on, as seen from outside: what one needs to know to kill a process. A CPU is a task of whatever process it runs
 * on at the moment, so a signal to a process must not hit what the CPU does next.
 *
 *   killing CPU                               CPU that runs on the victim
 *   1 the victim is marked
 *   2 siglock: it runs on the victim
 *                                             3 leaves: waits for siglock
 *   4 SIGKILL, siglock back
 *                                             5 is nobody's task of the victim: the signal goes with it  <- decides: the next process lives
 *
 * And if 3 comes first, 2 finds another process. Whoever enters after 1 sees the mark under the lock, and is told to die at once.
 * @kernel kernel/signal.c zap_other_threads(), mm/oom_kill.c __oom_kill_process(); include/linux/sched/signal.h siglock
 * @fidelity reduced: a lock for each CPU, of its own word only
 * Next: mm/switch_mm.ts, reclaim/oom_kill.ts
 */
import type { CpuId, MmId, Word } from '../base/brand.ts';
import { NO_MM } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { READ_ONCE } from '../memory/atomic.ts';
import { PC_MM, PC_SIGLOCK } from '../memory/percpu.ts';
import { cpuWord, SIGKILL, send_signal, takeFatalSignal } from '../sched/task.ts';
import { isOomVictim } from './oom_victim.ts';

const siglock = (cpu: Cpu, target: CpuId): Word => cpuWord(cpu, target, PC_SIGLOCK);

/** This CPU's task is one of that process from now on; NO_MM: of none. Takes its siglock; never sleeps */
export function becomeTaskOf(cpu: Cpu, mm: MmId): void {
  const previous = cpu.mm;
  cpu.mm = mm;
  spin_lock(cpu, siglock(cpu, cpu.id));
  cpu.words[cpu.percpu + PC_MM] = mm;
  if (isOomVictim(cpu, previous)) takeFatalSignal(cpu);
  if (isOomVictim(cpu, mm)) send_signal(cpu, cpu.id, SIGKILL);
  spin_unlock(cpu, siglock(cpu, cpu.id));
}

/** Tells every task of a marked process to die. Takes one siglock after the other; never sleeps. @returns how many there were */
export function killTasksOf(cpu: Cpu, mm: MmId): number {
  let told = 0;
  for (let id = 0; id < cpu.memory.size.cpus; id++) {
    const target = id as CpuId;
    spin_lock(cpu, siglock(cpu, target));
    if (mm !== NO_MM && READ_ONCE(cpu, cpuWord(cpu, target, PC_MM)) === mm) {
      send_signal(cpu, target, SIGKILL);
      told++;
    }
    spin_unlock(cpu, siglock(cpu, target));
  }
  return told;
}

/**
 * A fault of user code found no memory. By now no lock is held, so whatever was missing may come back: the instruction is executed again, unless the
 * task was told to die.
 *
 *   VM_FAULT_OOM --> killed? ------------- yes --> the task goes
 *                    often in a row? ----- yes --> the killer; nobody to kill: the program is told
 *                    otherwise ----------------> again
 *
 * @kernel mm/oom_kill.c pagefault_out_of_memory(); mm/memcontrol.c mem_cgroup_oom_synchronize()
 * @fidelity reduced: records come from pools of their own, whose end the page allocator does not see; so after 16 times the killer is called from here, as
 *   the kernel did at once before 5.16. Without a killer the program is told at once
 * Next: reclaim/oom_kill.ts
 */
import type { Cpu } from '../cpu.ts';
import { oomKillerOn } from '../mm/oom_victim.ts';
import { fatal_signal_pending } from '../sched/task.ts';
import { count_vm_event, FAULTS_OOM_AGAIN } from '../trace/counters.ts';

/** @kernel MAX_RECLAIM_RETRIES */
const AGAIN_MAX = 16;

/** What the fault is for its task now. */
export type AfterOom = 'killed' | 'again' | 'told';

/** @locks none in, none out. Does not sleep but for what out_of_memory() does */
export function pagefault_out_of_memory(cpu: Cpu): AfterOom {
  if (!oomKillerOn(cpu.memory)) return 'told';
  if (fatal_signal_pending(cpu)) return 'killed';
  cpu.faultsWithoutMemory++;
  if (cpu.faultsWithoutMemory >= AGAIN_MAX) {
    cpu.faultsWithoutMemory = 0;
    if (!cpu.outOfMemory(cpu, null)) return 'told';
    if (fatal_signal_pending(cpu)) return 'killed';
  }
  count_vm_event(cpu, FAULTS_OOM_AGAIN);
  return 'again';
}

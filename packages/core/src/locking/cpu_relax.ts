/**
 * What a CPU does in a spin loop: nothing when it runs freely, a turn given away in lock-step. How long a spin may last is decided here too.
 * @kernel arch/x86/include/asm/vdso/processor.h cpu_relax(), kernel/locking/rwsem.c owner_on_cpu()
 * @fidelity reduced: no pause instruction; "on CPU" means that the thread is not parked, as far as it says
 * Next: locking/spinlock.ts
 */
import type { CpuId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read } from '../memory/atomic.ts';
import { PC_RUN_STATE, RUN_RUNNING } from '../memory/percpu.ts';
import { STEP_RELAX } from '../memory/step_gate.ts';
import { cpuWord } from '../sched/task.ts';

/** Looks at a held word before a spinner goes to sleep: about a microsecond. */
const SPIN_LOOKS = 96;
/** In lock-step a look is a turn, and a turn is dear. */
const SPIN_LOOKS_LOCK_STEP = 4;
/** Looks at a running owner: some 25 microseconds, less than parking and waking cost together. */
const OWNER_LOOKS = 1024;
const OWNER_LOOKS_LOCK_STEP = 8;

export function cpu_relax(cpu: Cpu): void {
  if (cpu.gate !== null) cpu.gate.step(cpu.id, STEP_RELAX, 0);
}

/** How often to look at a word that is held for a moment only. None at all when spinning is off. */
export function spinLooks(cpu: Cpu): number {
  if (!cpu.spin) return 0;
  return cpu.gate === null ? SPIN_LOOKS : SPIN_LOOKS_LOCK_STEP;
}

/** How often to look at an owner that runs. On an oversubscribed machine "runs" may mean "is about to run", so this is short. */
export function ownerLooks(cpu: Cpu): number {
  return cpu.gate === null ? OWNER_LOOKS : OWNER_LOOKS_LOCK_STEP;
}

/** Does that CPU run, so that waiting for it to release a lock may be short? A hint. */
export function owner_on_cpu(cpu: Cpu, owner: CpuId): boolean {
  return atomic_read(cpu, cpuWord(cpu, owner, PC_RUN_STATE)) === RUN_RUNNING; // Alone: a stale answer costs a spin or a sleep.
}

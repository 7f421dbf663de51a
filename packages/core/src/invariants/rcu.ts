/**
 * Q09: at rest nothing waits for a grace period, and no read section is open.
 * Next: invariants/counters.ts
 */
import type { CpuId } from '../base/brand.ts';
import { PC_RCU_NEXT_HEAD, PC_RCU_PENDING, PC_RCU_WAIT_HEAD, percpuBase } from '../memory/percpu.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepRcu(state: SweepState): void {
  const { m, cpu } = state;
  for (let id = 0; id < m.size.cpus; id++) {
    const field = (offset: number): number => m.words[percpuBase(m.percpuAt, id as CpuId) + offset] as number;
    const pending = field(PC_RCU_PENDING);
    const listed = field(PC_RCU_NEXT_HEAD) !== 0 || field(PC_RCU_WAIT_HEAD) !== 0;
    if (pending !== 0 || listed) state.report('Q09', `CPU ${id} has ${pending} callbacks that wait for a grace period`);
  }
  if (cpu.rcuNesting !== 0) state.report('Q09', `CPU ${cpu.id} is inside ${cpu.rcuNesting} RCU read sections`);
}

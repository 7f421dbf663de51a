/**
 * `verify: 'deep'` in lock-step: the sweeps that follow a schedule, also within it, whenever everybody is between two operations. What waits for a
 * grace period is done for the sweep and taken back afterwards, and nothing takes a turn, so the schedule stays what it is.
 * Next: cpu_part.ts calls it
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { cpuOffline, cpuOnline } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { rcu_idle_enter } from '@faultlab/core/locking/rcu';
import { H_LEFT } from '@faultlab/core/memory/header';
import { PC_TASK_STATE, PC_WAIT_KIND, percpuBase, WAIT_NONE } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { TASK_RUNNING } from '@faultlab/core/sched/task';
import type { ArenaMap } from '../arena_map.ts';
import { B_ALIVE, B_CPUS, B_SERVERS, type Board, C_OP_STEPS, C_OPS, C_REST_OPS, C_REST_STEPS, cpuAt } from './board.ts';
import { Snapshot } from './snapshot.ts';

/** The CPU has come out of an operation, and is about to begin the next one. */
export function noteRest(board: Board, cpu: number): void {
  board[cpuAt(cpu, C_REST_OPS)] = board[cpuAt(cpu, C_OPS)] as number;
  board[cpuAt(cpu, C_REST_STEPS)] = board[cpuAt(cpu, C_OP_STEPS)] as number;
}

/** No CPU of a program is within an operation, and nobody serves: a device may have a request in its hands. */
export function everybodyRests(board: Board, memory: SharedMemory): boolean {
  const alive = board[B_ALIVE] as number;
  if ((alive & (board[B_SERVERS] as number)) !== 0) return false;
  for (let cpu = 0; cpu < (board[B_CPUS] as number); cpu++) {
    if ((alive & (1 << cpu)) === 0) continue;
    const field = (offset: number): number => memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + offset] as number;
    if (field(PC_WAIT_KIND) !== WAIT_NONE || field(PC_TASK_STATE) !== TASK_RUNNING) return false;
    const sameOp = board[cpuAt(cpu, C_REST_OPS)] === board[cpuAt(cpu, C_OPS)];
    if (!sameOp || board[cpuAt(cpu, C_REST_STEPS)] !== board[cpuAt(cpu, C_OP_STEPS)]) return false;
  }
  return true;
}

/** @param ungated CPUs without a gate, by number @throws InvariantError */
export function sweepAtRest(memory: SharedMemory, arena: ArenaMap, cpus: number, ungated: (id: number) => Cpu): void {
  const left = memory.words[H_LEFT] as number;
  const before = new Snapshot(memory, arena);
  try {
    for (let id = 0; id < cpus; id++) rcu_idle_enter(ungated(id));
    for (let id = 0; id < cpus; id++) {
      const cpu = ungated(id);
      cpuOnline(cpu);
      cpuOffline(cpu);
    }
    const [first] = sweep(ungated(0));
    if (first !== undefined) throw new InvariantError(first.id, `${first.message} (found at rest, between two operations)`);
  } finally {
    before.restore();
    memory.words[H_LEFT] = left;
  }
}

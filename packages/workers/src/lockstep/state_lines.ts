/**
 * What every CPU of a schedule was doing when it ended: the table of held and awaited locks, the circle if there is one, and the last
 * operations of each. Exact, because nobody moves.
 * Next: ../stall_report.ts
 */
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { ArenaMap } from '../arena_map.ts';
import { machineState } from '../machine_state.ts';
import { describeLoggedOp, readOpLog } from '../program/op_log.ts';
import { cycleLines, stateTable } from '../stall_report.ts';
import { B_CPUS, type Board } from './board.ts';

const OPS_SHOWN = 6;

export function stateLines(memory: SharedMemory, arena: ArenaMap, board: Board, nowMs: number): string[] {
  const cpus = Array.from({ length: board[B_CPUS] as number }, (_, cpu) => cpu);
  const ops = cpus.map((cpu) => readOpLog(memory.user, arena, cpu).map(describeLoggedOp));
  const state = machineState(memory, cpus, nowMs, (cpu) => ops[cpu]?.at(-1) ?? 'no operation');
  const last = ops.flatMap((own, cpu) => own.slice(-OPS_SHOWN).map((text) => `  CPU ${cpu}: ${text}`));
  return [...stateTable(state), ...cycleLines(state), ...(last.length === 0 ? [] : ['Last operations:', ...last])];
}

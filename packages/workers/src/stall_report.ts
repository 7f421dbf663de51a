/**
 * The text of a stall: which CPU does not move, what each holds and waits for, and the circle if they wait for each other.
 * Next: report/text_table.ts
 */
import { type CpuState, waitCycle } from './machine_state.ts';
import { textTable } from './report/text_table.ts';

/** @param guilty the CPUs without progress for `stallMs` milliseconds */
export function stallReport(states: readonly CpuState[], guilty: readonly number[], stallMs: number): string {
  const who = guilty.length === 1 ? `CPU ${guilty[0]} has` : `CPUs ${guilty.join(', ')} have`;
  const lines = [`${who} made no progress for ${stallMs} ms.`, ...stateTable(states)];
  return [...lines, ...cycleLines(states)].join('\n');
}

/** Who holds and who waits for what, one line per CPU. */
export function stateTable(states: readonly CpuState[]): string[] {
  const rows = states.map((state) => [
    String(state.cpu),
    state.run,
    state.op,
    state.held.length === 0 ? '-' : state.held.map((lock) => `${lock.name} (${lock.mode})`).join(', '),
    waitText(state),
  ]);
  return textTable(['CPU', 'state', 'operation', 'holds', 'waits for'], rows, ['right', 'left', 'left', 'left', 'left']);
}

function waitText(state: CpuState): string {
  if (state.waits === undefined) return '-';
  const { kind, name, sinceMs } = state.waits;
  const holders = state.blockedBy.length === 0 ? '' : `, held by CPU ${state.blockedBy.join(', ')}`;
  return `${kind} of ${name} for ${sinceMs} ms${holders}`;
}

/** The circle of CPUs that wait for each other, after an empty line; nothing when there is none. */
export function cycleLines(states: readonly CpuState[]): string[] {
  const cycle = waitCycle(states);
  if (cycle === undefined) return [];
  const steps = cycle.slice(0, -1).map((cpu, position) => {
    const waits = states.find((state) => state.cpu === cpu)?.waits;
    return `  CPU ${cpu} waits for ${waits?.name ?? 'something'}, which CPU ${cycle[position + 1]} holds`;
  });
  return ['', 'They wait for each other:', ...steps];
}

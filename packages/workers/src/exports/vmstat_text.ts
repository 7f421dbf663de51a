/**
 * Counters and states as /proc/vmstat prints them: a name and a value in each line, and nothing else. The kernel's names first, then the model's own.
 * Next: write_exports.ts
 */
import { vmstatTable } from '../report/vmstat_table.ts';
import type { RunResult } from '../run_result.ts';

/** Ends with a newline. Of the model's own counters those that are not 0. */
export function vmstatText({ counters, states }: Pick<RunResult, 'counters' | 'states'>): string {
  const lines = vmstatTable(counters, states).filter((line) => !line.startsWith('#'));
  return `${lines.join('\n')}\n`;
}

/**
 * What is printed about a run that went wrong: what broke, what every CPU was doing, who held and waited for what, and how to do it again.
 */
import { wrongOrderOf } from '@faultlab/core/locking/lockdep';
import type { RunResult } from '../run_result.ts';
import { stateTable } from '../stall_report.ts';
import { scenarioBox } from './lock_order.ts';

const OPS_OF_OTHERS = 3;
const EVENTS_SHOWN = 16;

/** @param again the command that repeats the run */
export function failureBlock(result: RunResult, again: string): string[] {
  const { postMortem, violations } = result;
  const [first] = violations;
  const lines: string[] = [];
  if (first !== undefined) {
    const where = first.cpu === undefined ? 'the sweep after the run' : `CPU ${first.cpu}`;
    lines.push(`!!! ${first.id} broken, found by ${where}: ${first.message}`);
    for (const { id, message } of violations.slice(1)) lines.push(`    also ${id}: ${message}`);
    const order = first.id === 'I11' ? wrongOrderOf(first.message) : undefined;
    if (order !== undefined) lines.push('', ...scenarioBox(order), '');
  }
  if (postMortem !== undefined) lines.push(...postMortem.message.split('\n'), '', ...evidence(result, first?.cpu));
  lines.push('', 'A free-running seed repeats the work, not the order in which the threads ran. Again:', `  ${again}`);
  return lines;
}

/** The guilty CPU in full, of the others the end. */
function evidence(result: RunResult, guilty: number | undefined): string[] {
  const { postMortem } = result;
  if (postMortem === undefined) return [];
  const lines = ['Last operations:'];
  postMortem.lastOps.forEach((ops, cpu) => {
    const shown = cpu === guilty ? ops : ops.slice(-OPS_OF_OTHERS);
    lines.push(...shown.map((text) => `  CPU ${cpu}: ${text}`));
  });
  // The message of a stall has the table already, as it was before the machine was frozen.
  if (result.verdict !== 'stall') lines.push('', 'Held and waited for:', ...stateTable(postMortem.state).map((line) => `  ${line}`));
  const events = guilty === undefined ? [] : (postMortem.trace[guilty] ?? []).slice(-EVENTS_SHOWN);
  if (events.length > 0) lines.push('', `Last events of CPU ${guilty}:`, ...events.map((event) => `  ${eventText(event)}`));
  return lines;
}

const eventText = (event: { readonly timeUs: number; readonly name: string; readonly args: Readonly<Record<string, number>> }): string => {
  const args = Object.entries(event.args).map(([name, value]) => `${name}=${value}`);
  return `${(event.timeUs / 1000).toFixed(3)} ms ${event.name} ${args.join(' ')}`;
};

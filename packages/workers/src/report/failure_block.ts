/**
 * All that is printed about a run, or a schedule, that went wrong, once and in this order: the verdict with every parameter, what broke and where; how
 * operations ended; the schedule in lanes, if there is one; what every CPU was doing, held and waited for; what a wrong order of locks can
 * lead to; the command that does it again; the folder.
 */
import { wrongOrderOf } from '@faultlab/core/locking/lockdep';
import type { RunResult } from '../run_result.ts';
import { cycleLines, stateTable } from '../stall_report.ts';
import { scenarioBox } from './lock_order.ts';
import { outcomeTable } from './outcome_table.ts';

const OPS_OF_OTHERS = 3;
const EVENTS_SHOWN = 16;

/** What a caller knows beyond the result. */
export interface FailureContext {
  /** Name and value of everything that the run was told, in the order in which it is printed. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
  /** The schedule in lanes, after a line that says what it is. */
  readonly lanes?: readonly string[];
  /** Lines to stand before the command. */
  readonly notes?: readonly string[];
  /** One line about the folder with the evidence. */
  readonly folder?: string;
}

/** @param again the command that repeats the run */
export function failureBlock(result: RunResult, again: string, context: FailureContext = {}): string[] {
  const { postMortem, violations, outcomes } = result;
  const { parameters, lanes = [], notes = [FREE_RUNNING], folder } = context;
  const [first] = violations;
  const lines: string[] = [];
  if (parameters !== undefined) lines.push(`--- FAILURE: ${first?.id ?? result.verdict} ${fieldsText(parameters)}`);
  if (first !== undefined) {
    lines.push(`!!! ${brokenText(first.id)}, found by ${finderText(first.cpu)}: ${first.message}`);
    for (const { id, message } of violations.slice(1)) lines.push(`    also ${id}: ${message}`);
  }
  if (postMortem !== undefined && postMortem.message !== '') lines.push(...postMortem.message.split('\n'));
  lines.push('', 'How its operations ended:', ...outcomeTable(outcomes, undefined, first).map((line) => `  ${line}`));
  if (lanes.length > 0) lines.push('', ...lanes);
  if (postMortem !== undefined) lines.push('', ...evidence(result, first?.cpu));
  const order = first?.id === 'I11' ? wrongOrderOf(first.message) : undefined;
  if (order !== undefined) lines.push('', ...scenarioBox(order));
  lines.push('', ...notes, 'Again:', `  ${again}`);
  if (folder !== undefined) lines.push(folder);
  return lines;
}

export const FREE_RUNNING = 'A free-running seed repeats the work, not the order in which the threads ran.';

/** An invariant is broken; a deadlock is one. */
export const brokenText = (id: string): string => (/^(?:deadlock|livelock|hang|threw|race)$/.test(id) ? id : `${id} broken`);
const finderText = (cpu: number | undefined): string => (cpu === undefined ? 'the sweep after the run' : `CPU ${cpu}`);

export const fieldsText = (fields: Readonly<Record<string, string | number | boolean>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

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
  if (result.verdict !== 'stall') {
    const table = [...stateTable(postMortem.state), ...cycleLines(postMortem.state)];
    lines.push('', 'Held and waited for:', ...table.map((line) => `  ${line}`.trimEnd()));
  }
  const events = guilty === undefined ? [] : (postMortem.trace[guilty] ?? []).slice(-EVENTS_SHOWN);
  if (events.length > 0) lines.push('', `Last events of CPU ${guilty}:`, ...events.map((event) => `  ${eventText(event)}`));
  return lines;
}

const eventText = (event: { readonly timeUs: number; readonly name: string; readonly args: Readonly<Record<string, number>> }): string => {
  const args = Object.entries(event.args).map(([name, value]) => `${name}=${value}`);
  return `${(event.timeUs / 1000).toFixed(3)} ms ${event.name} ${args.join(' ')}`;
};

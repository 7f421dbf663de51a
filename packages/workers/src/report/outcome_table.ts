/**
 * How operations ended, with a grade for each ending: what is expected, what is fine, what is rare but legal, what must never be.
 */
import { opName } from '../program/op.ts';
import { gradeOf, type InjectedTroubles, outcomeMeaning, outcomeName } from '../program/outcome.ts';
import type { OutcomeCount } from '../program/outcome_counts.ts';
import type { RunViolation } from '../run_result.ts';
import { grouped } from './numbers.ts';
import { textTable } from './text_table.ts';

const NO_TROUBLES: InjectedTroubles = { injectedSignals: false, ioErrors: false, allocFailures: false };

/**
 * @param broken the ending that must never be: a rule that did not hold
 * @param troubles what the run had to be ready for; a table does not ask whether programs sent signals, files got shorter or processes were killed
 */
export function outcomeTable(
  outcomes: readonly OutcomeCount[],
  troubles: InjectedTroubles = NO_TROUBLES,
  broken?: Pick<RunViolation, 'id' | 'message'>,
): string[] {
  const totals = new Map<number, number>();
  for (const { kind, count } of outcomes) totals.set(kind, (totals.get(kind) ?? 0) + count);
  const rows = outcomes.map(({ kind, result, count }) => [
    `${opName(kind)}: ${outcomeName(kind, result)}`,
    grouped(count),
    `${((100 * count) / (totals.get(kind) ?? count)).toFixed(2)}%`,
    gradeOf(kind, result, { ...troubles, signals: true, fileEnds: true, oomKills: true }),
    outcomeMeaning(kind, result),
  ]);
  if (broken !== undefined) rows.push([broken.id, '1', '', 'FORBIDDEN', broken.message]);
  return textTable(['RESULT', 'SAMPLES', 'FREQ', 'EXPECT', 'DESCRIPTION'], rows, ['left', 'right', 'right', 'left', 'left']);
}

/**
 * The text of a comparison: a row per script, what scripts without a record did, the first differences, what was left out, the verdict.
 * Next: ../cli/conform.ts
 */
import { grouped } from '../report/numbers.ts';
import { textTable } from '../report/text_table.ts';
import { type ConformResult, type ScriptResult, type Totals, totalsOf, verdictLine } from './conform_result.ts';
import { areaText, sideBySide } from './side_by_side.ts';

/** The kernel that made the records; another policy cannot be expected to agree in everything. */
export const RECORDED_POLICY = 'linux-6.18';

/** @param show how many differences to print @returns lines; the last one is the verdict */
export function conformReport(result: ConformResult, show: number): string[] {
  const totals = totalsOf(result);
  return [
    `The model under ${result.policy}, one CPU, a fresh machine for each script.`,
    ...(result.policy === RECORDED_POLICY
      ? []
      : [`The records are of ${RECORDED_POLICY}; what ${result.policy} does otherwise is different, too.`]),
    ...exploredLines(result),
    ...scriptTable(result),
    ...differenceLines(result, show),
    ...brokenLines(result),
    ...leftOutLines(totals),
    '',
    ...notModelledLines(totals),
    ...withoutRecordLines(result),
    ...(result.inject === undefined ? [] : [result.inject.counts]),
    verdictLine(totals, result.inject),
  ];
}

const plural = (count: number, one: string): string => `${grouped(count)} ${one}${count === 1 ? '' : 's'}`;

function scriptTable({ scripts }: ConformResult): string[] {
  const recorded = scripts.filter((script) => script.recorded);
  if (recorded.length === 0) return [];
  const rows = recorded.map(({ name, run, same, different, leftOut, notRun, notModelled }) => [
    name,
    ...[run, same, different, Object.values(leftOut).reduce((sum, parts) => sum + parts, 0), notRun].map(grouped),
    notModelled ?? '',
  ]);
  const header = ['script', 'run', 'same', 'different', 'left out', 'not run', 'ended by'];
  return ['', ...textTable(header, rows, ['left', 'right', 'right', 'right', 'right', 'right', 'left'])];
}

function differenceLines({ differences }: ConformResult, show: number): string[] {
  if (differences.length === 0 || show === 0) return [];
  const shown = differences.slice(0, show);
  const lines = [
    '',
    `Differences${shown.length < differences.length ? `, the first ${shown.length} of ${grouped(differences.length)}` : ''}`,
  ];
  for (const { script, line, op, space, operation, expected, got, differs } of shown) {
    const child = space === 0 ? '' : ' (in the child)';
    lines.push('', `${script}, line ${line}, operation ${op}${child}: ${operation}`);
    lines.push(...sideBySide(expected, got, differs).map((row) => `  ${row}`.trimEnd()));
  }
  return lines;
}

function exploredLines({ scripts }: ConformResult): string[] {
  return scripts.filter((script) => !script.recorded).flatMap(exploredScript);
}

/** What the model did, operation by operation; a layout is printed when it is another one than before. */
function exploredScript({ name, explored, notModelled }: ScriptResult): string[] {
  const lines = ['', `${name} has no record; this is what the model does`];
  const layouts: string[] = ['', ''];
  for (const { line, space, operation, result, minflt, majflt, vmas, events } of explored) {
    const faults = `${plural(minflt, 'minor fault')}, ${plural(majflt, 'major fault')}`;
    lines.push(`  line ${line}: ${space === 0 ? '' : '@ '}${operation}: ${result}; ${faults}`);
    const areas = vmas.map((area) => `      ${areaText(area)}`);
    if (areas.join('\n') !== layouts[space]) {
      layouts[space] = areas.join('\n');
      lines.push(...(areas.length === 0 ? ['      no areas'] : areas));
    }
    lines.push(...events.map((event) => `    ${event}`));
  }
  if (notModelled !== null) lines.push(`  here the script ends: ${notModelled} is not modelled yet`);
  return lines;
}

function brokenLines({ scripts }: ConformResult): string[] {
  const lines = scripts.flatMap(({ name, broken }) => broken.map((what) => `!!! ${name}: ${what}`));
  return lines.length === 0 ? [] : ['', ...lines];
}

function leftOutLines({ leftOut }: Totals): string[] {
  if (leftOut.size === 0) return [];
  return ['', 'Left out of the comparison', ...[...leftOut].map(([reason, parts]) => `  ${grouped(parts).padStart(6)}  ${reason}`)];
}

function notModelledLines({ notModelled, notRun }: Totals): string[] {
  if (notModelled.size === 0) return [];
  const names = [...notModelled].map(([what, scripts]) => `${what} (${plural(scripts, 'script')})`);
  return [`not modelled yet: ${names.join(', ')}, ${plural(notRun, 'operation')} not run`];
}

function withoutRecordLines({ scripts }: ConformResult): string[] {
  const explored = scripts.filter((script) => !script.recorded);
  if (explored.length === 0) return [];
  const run = explored.reduce((sum, script) => sum + script.run, 0);
  return [`without a record: ${plural(explored.length, 'script')}, ${plural(run, 'operation')} run and not compared`];
}

/**
 * The numbers of a run as CSV (RFC 4180): one row for each, with what it is of, its name and its unit, so that any tool can group and pivot them.
 * Next: write_exports.ts
 */
import { opName } from '../program/op.ts';
import { outcomeName } from '../program/outcome.ts';
import type { RunResult } from '../run_result.ts';

type Cell = string | number;
/** Table, thing, metric, value, unit. */
type Row = readonly [table: string, thing: string, metric: string, value: number, unit: string];

export const CSV_HEADER = ['table', 'thing', 'metric', 'value', 'unit'] as const;

export function csvText(result: RunResult): string {
  return csvLines([CSV_HEADER, ...rowsOf(result)]);
}

/** Lines end in CR LF, as the standard has them. */
export function csvLines(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

const cell = (value: Cell): string => (/[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

function rowsOf({ policy, wallMs, ops, opsByCpu, counters, states, locks, latency, outcomes }: RunResult): Row[] {
  return [
    ['run', policy, 'wall', wallMs, 'ms'],
    ['run', policy, 'operations', ops, 'operations'],
    ...opsByCpu.map((count, cpu): Row => ['run', `CPU ${cpu}`, 'operations', count, 'operations']),
    ...Object.entries(states).map(([name, pages]): Row => ['state', name, 'pages', pages, 'pages']),
    ...Object.entries(counters).map(([name, count]): Row => ['counter', name, 'count', count, 'events']),
    ...locks.flatMap(({ name, mode, acquisitions, contentions, waitUsTotal, waitUsMax }): Row[] => [
      ['lock', `${name} ${mode}`, 'acquisitions', acquisitions, 'times'],
      ['lock', `${name} ${mode}`, 'contentions', contentions, 'times'],
      ['lock', `${name} ${mode}`, 'wait total', waitUsTotal, 'us'],
      ['lock', `${name} ${mode}`, 'wait max', waitUsMax, 'us'],
    ]),
    ...latency.flatMap(({ path, timed, p50, p99, p999, max }): Row[] => [
      ['latency', path, 'timed', timed, 'times'],
      ...(
        [
          ['p50', p50],
          ['p99', p99],
          ['p99.9', p999],
          ['max', max],
        ] as const
      ).map(([name, ns]): Row => ['latency', path, name, ns, 'ns']),
    ]),
    ...outcomes.map(
      ({ kind, result, count }): Row => ['outcome', `${opName(kind)}: ${outcomeName(kind, result)}`, 'count', count, 'operations'],
    ),
  ];
}

/**
 * One policy against the baseline in the two forms that the audience reads: the Before / After / Change table of a mailing list, with the waits by
 * decades, and the lines of mmtests. A star is a change that is significant (compare/statistics.ts).
 * Next: text_table.ts
 */
import { WAITED_LOCKS } from '@faultlab/core/locking/lock_waits';
import type { RunRecord } from '../compare/comparison_file.ts';
import { metricByName, type Unit } from '../compare/metrics.ts';
import { hmean, percentOf } from '../compare/statistics.ts';
import { addDecades, averagedRuns, type MetricChange, type PairSummary, valuesOf } from '../compare/summary.ts';
import { textTable } from './text_table.ts';

/** Shown whether or not they changed. */
export const CORE_METRICS: readonly string[] = [
  'faults',
  'pages_used',
  'fault_p50',
  'fault_p99',
  'fault_p99_9',
  'mmap_read_per_fault',
  'mmap_read_wait_mean',
  'mmap_read_waits_1ms',
  'mmap_write',
  'mmap_write_wait_mean',
  'mmap_write_waits_1ms',
  'writer_behind_io_share',
  'writer_behind_io_time',
  'writer_behind_io_max',
  'fork_stall_max',
  'faults_retried_share',
  'gone_share',
  'reads_per_page_used',
  'inversion',
  'fairness',
];

const DIGITS = 3;

/** "1,234", "12.3", "0.0123" */
export function amountText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(0);
  return size === 0 ? '0' : String(Number(value.toPrecision(DIGITS)));
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${amountText(Math.abs(value))}`;

/** "-71.42 %", or the difference where the baseline is zero. */
export function changeText({ difference, before, metric }: MetricChange): string {
  const percent = percentOf(difference, before);
  if (difference === 0) return '0 %';
  return percent === null ? `${signed(difference)} ${metric.unit}` : `${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(1)} %`;
}

/** "-80.1 to -60.2 %" */
export function intervalText({ low, high, before, metric }: MetricChange): string {
  const [from, to] = [percentOf(low, before), percentOf(high, before)];
  if (from === null || to === null) return `${signed(low)} to ${signed(high)} ${metric.unit}`;
  const text = (percent: number): string => `${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(1)}`;
  return `${text(from)} to ${text(to)} %`;
}

const pText = (p: number): string => (p < 0.001 ? '<0.001' : p.toFixed(3));

/** Those to show: the core and what is significant, or all. */
export const shownChanges = ({ changes }: PairSummary, all: boolean): readonly MetricChange[] =>
  changes.filter(({ metric, significant }) => all || significant || CORE_METRICS.includes(metric.name));

/** The table of a mailing list. @returns lines */
export function changeTable(pair: PairSummary, all: boolean): string[] {
  const rows = shownChanges(pair, all).map((change) => [
    change.metric.name,
    change.metric.unit,
    amountText(change.before),
    amountText(change.after),
    changeText(change),
    change.significant ? '*' : '',
    intervalText(change),
    pText(change.p),
  ]);
  return textTable(['Metric', 'Unit', 'Before (Avg)', 'After (Avg)', 'Change', '', '95 % interval', 'p'], rows, ['left', 'left']);
}

const DECADES: readonly string[] = [
  '[0,1) us',
  '[1,10) us',
  '[10,100) us',
  '[100,1000) us',
  '[1,10) ms',
  '[10,100) ms',
  '[100,1000) ms',
  '[1,inf) s',
];

/** Waits by decades, sums over the runs that count: `before -> after` for each lock. Decades that nobody saw are left out. @returns lines */
export function decadeTable(before: readonly RunRecord[], after: readonly RunRecord[]): string[] {
  const sums = [averagedRuns(before), averagedRuns(after)].map((runs) =>
    WAITED_LOCKS.map((lock) => addDecades(runs.map(({ histograms }) => histograms.waits[lock]))),
  );
  const rows = DECADES.map((decade, place) => [
    decade,
    ...WAITED_LOCKS.map((_, lock) => sums.map((side) => amountText(side[lock]?.[place] ?? 0)).join(' -> ')),
  ]).filter((row) => row.slice(1).some((cell) => cell !== '0 -> 0'));
  return textTable(['Waits', ...WAITED_LOCKS], rows, ['left']);
}

const UNIT_NAMES: Partial<Readonly<Record<Unit, string>>> = { '1/s': '/sec' };
const NAME_WIDTH = 30;

/**
 * The lines of mmtests: the mean of each policy and its gain against the first, which is positive where it is better. Rates have harmonic means, unless one of
 * them is zero. @param policies baseline first @returns lines
 */
export function mmtestsLines(
  cpus: number,
  policies: readonly { readonly policy: string; readonly runs: readonly RunRecord[] }[],
  pairs: readonly PairSummary[],
  metrics: readonly string[] = MMTESTS_METRICS,
): string[] {
  const width = Math.max(...policies.map(({ policy }) => policy.length), 22);
  const header = `${' '.repeat(8 + NAME_WIDTH)}${policies.map(({ policy }) => policy.padStart(width + 2)).join('')}`;
  const lines = metrics.flatMap((name) => {
    const metric = metricByName(name);
    const values = policies.map(({ runs }) => valuesOf(averagedRuns(runs), name));
    if (metric === undefined || values.some((each) => each.length === 0)) return [];
    const rates = metric.unit === '1/s' ? values.map(hmean) : [null];
    const harmonic = rates.every((rate) => rate !== null);
    const means = harmonic ? (rates as number[]) : values.map((each) => each.reduce((sum, value) => sum + value, 0) / each.length);
    const [baseline = 0] = means;
    const cells = means.map((value, place) => {
      const percent = percentOf(value - baseline, baseline);
      const gain = percent === null ? 'n/a' : `${((metric.better === 'lower' ? -1 : 1) * percent + 0).toFixed(2)}%`;
      const change = place === 0 ? undefined : pairs[place - 1]?.changes.find((each) => each.metric.name === name);
      const [open, close] = change?.significant === true ? ['*', '*'] : ['(', ')'];
      return `${amountText(value).padStart(width - 10)} ${open}${gain.padStart(8)}${close}`.padStart(width + 2);
    });
    const title = `${name}${UNIT_NAMES[metric.unit] ?? ''}-${cpus}`;
    return [`${harmonic ? 'Hmean' : 'Amean'}   ${title.padEnd(NAME_WIDTH)}${cells.join('')}`];
  });
  return lines.length === 0 ? [] : [header, ...lines];
}

const MMTESTS_METRICS: readonly string[] = [
  'faults',
  'pages_used',
  'fault_p50',
  'fault_p99',
  'mmap_read_wait_mean',
  'mmap_write_wait_mean',
];

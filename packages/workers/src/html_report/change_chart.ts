/**
 * Changes against the baseline: a row for each metric, a mark for each policy with the interval in which the change lies, on a scale of factors. A full
 * mark is a significant change, a hollow one is not.
 * Next: comparison_section.ts
 */
import { scaleLog, scalePoint } from 'd3-scale';
import { BOTTOM, chart, RIGHT, TOP, WIDTH } from './chart_frame.ts';
import { at, percent, said } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { colourOf, legend, mark } from './series_style.ts';

export interface ShownChange {
  readonly metric: string;
  /** Its place among all policies of the comparison. */
  readonly series: number;
  readonly policy: string;
  readonly before: number;
  readonly after: number;
  /** Ends of the interval of after - before. */
  readonly low: number;
  readonly high: number;
  readonly significant: boolean;
}

const NAMES = 232;
const ROW_HEIGHT = 22;
/** Factors beyond it are drawn at the border. */
const FACTOR_MOST = 32;
const FACTORS = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32] as const;
const FACTOR_NAMES = ['1/32', '1/16', '1/8', '1/4', '1/2', 'same', 'x 2', 'x 4', 'x 8', 'x 16', 'x 32'] as const;

const within = (factor: number): number => Math.min(FACTOR_MOST, Math.max(1 / FACTOR_MOST, factor));

/** @param policies all of the comparison, the baseline first; @param changes at least one, none with a mean of 0 before */
export function changeChart(policies: readonly string[], changes: readonly ShownChange[]): Markup {
  const metrics = [...new Set(changes.map(({ metric }) => metric))];
  const height = metrics.length * ROW_HEIGHT + TOP + BOTTOM;
  const x = scaleLog([1 / FACTOR_MOST, FACTOR_MOST], [NAMES, WIDTH - RIGHT]);
  const y = scalePoint<string>(metrics, [TOP + ROW_HEIGHT / 2, height - BOTTOM - ROW_HEIGHT / 2]);
  const others = policies.length - 1;
  const content = changes.map(({ metric, series, policy, before, after, low, high, significant }) => {
    const row = (y(metric) ?? 0) + (others > 1 ? ((series - 1) / (others - 1) - 0.5) * ROW_HEIGHT * 0.5 : 0);
    const factor = (value: number): number => x(within(value / before));
    const change = percent((100 * (after - before)) / before);
    const interval = `${percent((100 * low) / before)} to ${percent((100 * high) / before)}`;
    const text = `${metric}, ${policy}: ${said(before)} to ${said(after)}, ${change} (${interval})${significant ? ', significant' : ''}`;
    return html`<path class="interval ${colourOf(series)}" d="M${at(factor(before + low))} ${at(row)}H${at(factor(before + high))}"/>${mark(series, factor(after), row, text, significant)}`;
  });
  const frame = {
    height,
    left: NAMES,
    label: `Changes of ${metrics.length} metrics against ${policies[0]}.`,
    xTitle: `factor against ${policies[0]}; a full mark is significant`,
    yTitle: '',
    x: FACTORS.map((factor, place) => ({ place: x(factor), text: FACTOR_NAMES[place] ?? '' })),
    y: metrics.map((metric) => ({ place: y(metric) ?? 0, text: metric })),
  };
  const names = policies.map((name, series) => ({ name: series === 0 ? `${name} (baseline: same)` : name, series }));
  return html`${legend(names, 'marks')}${chart(frame, html`${content}`)}`;
}

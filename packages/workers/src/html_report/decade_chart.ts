/**
 * Waits by their length: a group of bars for each decade of time, a bar for each policy, heights in decades, too.
 * Next: comparison_section.ts
 */
import { scaleBand, scaleLog } from 'd3-scale';
import { BOTTOM, chart, LEFT, RIGHT, TOP, WIDTH } from './chart_frame.ts';
import { at, said } from './figures.ts';
import { html, type Markup, NOTHING } from './markup.ts';
import { legend, type Named, outlineOf, patternDefinitions } from './series_style.ts';
import type { Table } from './tables.ts';

export interface DecadeSeries extends Named {
  /** Waits a second, by decade: below 1 us, below 10 us, ..., a second and more. */
  readonly perSecond: readonly number[];
}

export const DECADE_NAMES = ['below 1 us', '1 us', '10 us', '100 us', '1 ms', '10 ms', '100 ms', '1 s and more'] as const;
const HEIGHT = 260;

/** @param id unlike that of any other chart of the page; @param series at least one, with at least one wait among them */
export function decadeChart(id: string, what: string, series: readonly DecadeSeries[]): Markup {
  const values = series.flatMap(({ perSecond }) => perSecond.filter((value) => value > 0));
  const least = 10 ** Math.floor(Math.log10(Math.min(...values)) - 0.01);
  const most = 10 ** Math.ceil(Math.log10(Math.max(...values)) + 0.01);
  const groups = scaleBand<number>(
    DECADE_NAMES.map((_, decade) => decade),
    [LEFT, WIDTH - RIGHT],
  )
    .paddingInner(0.2)
    .paddingOuter(0.1);
  const bars = scaleBand<number>(
    series.map((_, place) => place),
    [0, groups.bandwidth()],
  ).padding(0.08);
  const y = scaleLog([least, most], [HEIGHT - BOTTOM, TOP]);
  const bar = (place: number, decade: number): Markup => {
    const { name, perSecond, series: look } = series[place] as DecadeSeries;
    const value = perSecond[decade] ?? 0;
    if (value === 0) return NOTHING;
    const text = `${name}: ${said(value)} waits a second ${decade === 0 ? 'below 1 us' : `from ${DECADE_NAMES[decade]}`}`;
    const [left, top] = [(groups(decade) ?? 0) + (bars(place) ?? 0), y(value)];
    return html`<rect class="mark bar ${outlineOf(look)}" x="${at(left)}" y="${at(top)}" width="${at(bars.bandwidth())}" height="${at(HEIGHT - BOTTOM - top)}" fill="url(#${id}-p${look})" data-t="${text}"><title>${text}</title></rect>`;
  };
  const content = html`${DECADE_NAMES.map((_, decade) => series.map((_one, place) => bar(place, decade)))}`;
  const frame = {
    height: HEIGHT,
    label: `Waits for ${what} by their length for ${series.map(({ name }) => name).join(', ')}.`,
    xTitle: 'length of the wait, from',
    yTitle: 'waits a second',
    x: DECADE_NAMES.map((text, decade) => ({ place: (groups(decade) ?? 0) + groups.bandwidth() / 2, text })),
    y: decades(least, most).map((value) => ({ place: y(value), text: said(value) })),
    defs: patternDefinitions(id, series),
  };
  return html`${legend(series, { patterns: id })}${chart(frame, content)}`;
}

function decades(least: number, most: number): number[] {
  const exponents = Math.round(Math.log10(most / least));
  const step = Math.ceil(exponents / 6);
  return Array.from({ length: exponents + 1 }, (_, place) => least * 10 ** place).filter((_, place) => place % step === 0);
}

export function decadeTable(what: string, series: readonly DecadeSeries[]): Table {
  return {
    caption: `Waits for ${what} a second, by their length`,
    header: ['policy', ...DECADE_NAMES],
    rows: series.map(({ name, perSecond }) => [name, ...DECADE_NAMES.map((_, decade) => said(perSecond[decade] ?? 0))]),
  };
}

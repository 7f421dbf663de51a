/**
 * Latencies as cumulative distributions: time to the right in decades, and up the share that took no longer, in nines, so that the slowest of ten
 * thousand are as easy to see as the middle.
 * Next: comparison_section.ts
 */
import { scaleLinear, scaleLog } from 'd3-scale';
import { curveStepAfter, line } from 'd3-shape';
import { BOTTOM, chart, LEFT, RIGHT, TOP, WIDTH } from './chart_frame.ts';
import { at, span } from './figures.ts';
import { html, type Markup } from './markup.ts';
import { colourOf, dashOf, legend, mark, type Named } from './series_style.ts';
import type { Table } from './tables.ts';

/** Counts by time in nanoseconds, in the order of time. */
export type Histogram = readonly (readonly [ns: number, count: number])[];

export interface CdfSeries extends Named {
  readonly histogram: Histogram;
}

const HEIGHT = 300;
const NINES_MOST = 4.3;
const SHARES = [50, 90, 99, 99.9, 99.99] as const;
/** Left and right of what is drawn, as a factor. */
const ROOM = 1.3;

/** 0.9 is 1, 0.99 is 2. */
const nines = (share: number): number => Math.min(NINES_MOST, -Math.log10(Math.max(1 - share, 10 ** -NINES_MOST)));

interface Point {
  readonly ns: number;
  readonly share: number;
}

function cumulated(histogram: Histogram): Point[] {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  let soFar = 0;
  return histogram.map(([ns, count]) => {
    soFar += count;
    return { ns, share: soFar / total };
  });
}

/** The time that so many percent took no longer than; undefined when fewer than two are beyond it. */
export function percentileNs(histogram: Histogram, percent: number): number | undefined {
  const total = histogram.reduce((sum, [, count]) => sum + count, 0);
  if (total * (1 - percent / 100) < 2 && percent > 50) return undefined;
  return cumulated(histogram).find(({ share }) => share >= percent / 100)?.ns;
}

/** @param series at least one, each with at least one count */
export function cdfChart(what: string, series: readonly CdfSeries[]): Markup {
  const times = series.flatMap(({ histogram }) => histogram.map(([ns]) => Math.max(1, ns)));
  const [least, most] = [Math.min(...times), Math.max(...times)];
  const x = scaleLog([least / ROOM, most * ROOM], [LEFT, WIDTH - RIGHT]);
  const y = scaleLinear([0, NINES_MOST], [HEIGHT - BOTTOM, TOP]);
  const draw = line<Point>(
    ({ ns }) => x(Math.max(1, ns)),
    ({ share }) => y(nines(share)),
  )
    .curve(curveStepAfter)
    .digits(1);
  const lines = series.map(({ histogram, series: place }) => {
    const points = thinned(
      [{ ns: histogram[0]?.[0] ?? 1, share: 0 }, ...cumulated(histogram)],
      (point) => `${at(x(point.ns))} ${at(y(nines(point.share)))}`,
    );
    return html`<path class="line ${colourOf(place)}" stroke-dasharray="${dashOf(place)}" d="${draw(points) ?? ''}"/>`;
  });
  const marks = series.flatMap(({ name, histogram, series: place }) =>
    SHARES.flatMap((percent) => {
      const ns = percentileNs(histogram, percent);
      return ns === undefined
        ? []
        : [mark(place, x(Math.max(1, ns)), y(nines(percent / 100)), `${name}: ${percent} % took no longer than ${span(ns)}`)];
    }),
  );
  const frame = {
    height: HEIGHT,
    label: `Cumulative distribution of ${what} for ${series.map(({ name }) => name).join(', ')}.`,
    xTitle: 'time',
    yTitle: 'took no longer',
    x: timeTicks(least, most).map((ns) => ({ place: x(ns), text: span(ns) })),
    y: [0, ...SHARES].map((percent) => ({ place: y(nines(percent / 100)), text: `${percent} %` })),
  };
  return html`${legend(series, 'lines')}${chart(frame, html`${lines}${marks}`)}`;
}

/** Points that would be drawn where the one before is are left out. */
function thinned(points: readonly Point[], placeOf: (point: Point) => string): Point[] {
  let before = '';
  return points.filter((point) => {
    const place = placeOf(point);
    const isNew = place !== before;
    before = place;
    return isNew;
  });
}

/** Powers of ten; 1, 2 and 5 of each where that would be fewer than three. */
function timeTicks(least: number, most: number): number[] {
  const steps = most / least >= 200 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(least)); decade <= most * ROOM; decade *= 10)
    ticks.push(...steps.map((step) => step * decade));
  const shown = ticks.filter((ns) => ns >= least / ROOM && ns <= most * ROOM);
  return shown.length > 0 ? shown : [least];
}

export function cdfTable(what: string, series: readonly CdfSeries[]): Table {
  return {
    caption: what,
    header: ['policy', 'timed', ...SHARES.map((percent) => `p${percent}`), 'longest'],
    rows: series.map(({ name, histogram }) => [
      name,
      histogram.reduce((sum, [, count]) => sum + count, 0),
      ...SHARES.map((percent) => {
        const ns = percentileNs(histogram, percent);
        return ns === undefined ? '-' : span(ns);
      }),
      span(histogram.at(-1)?.[0] ?? 0),
    ]),
  };
}

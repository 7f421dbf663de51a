/**
 * What charts have in common: their place on the page, their axes, and how the keyboard gets to them.
 * Next: line_charts.ts, bar_chart.ts
 */
import { at } from './figures.ts';
import { html, type Markup, NOTHING } from './markup.ts';

export const WIDTH = 720;
export const LEFT = 62;
export const RIGHT = 14;
export const TOP = 10;
export const BOTTOM = 40;

export interface Tick {
  readonly place: number;
  readonly text: string;
}

export interface FrameOptions {
  readonly height: number;
  readonly left?: number;
  /** What the chart is, in a sentence; a reader who does not see it hears that. */
  readonly label: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly x: readonly Tick[];
  readonly y: readonly Tick[];
  readonly defs?: Markup;
}

/** @param content what is drawn over the lines of the axes */
export function chart({ height, left = LEFT, label, xTitle, yTitle, x, y, defs = NOTHING }: FrameOptions, content: Markup): Markup {
  const [right, bottom] = [WIDTH - RIGHT, height - BOTTOM];
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" tabindex="0" role="img" aria-label="${label} Arrow keys go from mark to mark; the table below has the numbers.">${defs}
<g class="grid">${x.map(({ place }) => html`<path d="M${at(place)} ${TOP}V${bottom}"/>`)}${y.map(({ place }) => html`<path d="M${left} ${at(place)}H${right}"/>`)}</g>
<g class="axis">${x.map(({ place, text }) => html`<text x="${at(place)}" y="${bottom + 15}" text-anchor="middle">${text}</text>`)}
${y.map(({ place, text }) => html`<text x="${left - 6}" y="${at(place + 4)}" text-anchor="end">${text}</text>`)}
<text x="${at((left + right) / 2)}" y="${height - 6}" text-anchor="middle">${xTitle}</text>
${yTitle === '' ? NOTHING : html`<text transform="translate(13 ${at((TOP + bottom) / 2)}) rotate(-90)" text-anchor="middle">${yTitle}</text>`}</g>
${content}</svg><output class="said" aria-live="polite"></output>`;
}

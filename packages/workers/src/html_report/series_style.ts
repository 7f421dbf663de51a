/**
 * How a policy looks in every chart: a colour that colour-blind readers can tell (after Okabe and Ito; dark.ts has those for a dark page in the same
 * order), a dash, a shape of its marks and a pattern of its bars. No two of the first 28 have all of them alike.
 * Next: line_charts.ts, bar_chart.ts
 */
import {
  type SymbolType,
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolWye,
} from 'd3-shape';
import { at } from './figures.ts';
import { html, type Markup } from './markup.ts';

export const COLOURS = 8;
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '4 4'] as const;
const SHAPES: readonly SymbolType[] = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond, symbolCross, symbolStar, symbolWye];
const SHAPE_AREA = 46;

const path = (shape: SymbolType): string => symbol(shape, SHAPE_AREA)()?.replace(/-?\d+\.\d+/g, (number) => at(Number(number))) ?? '';
const PATHS = SHAPES.map(path);

export const colourOf = (series: number): string => `c${series % COLOURS}`;
/** For bars, which are filled with a pattern. */
export const outlineOf = (series: number): string => `b${series % COLOURS}`;
export const dashOf = (series: number): string => DASHES[(series + Math.floor(series / COLOURS)) % DASHES.length] ?? '';

/** A mark that can be pointed at and reached with the arrow keys; `text` is what it says. */
export function mark(series: number, x: number, y: number, text: string, filled = true): Markup {
  const shape = PATHS[series % PATHS.length] ?? '';
  return html`<path class="mark ${filled ? colourOf(series) : `hollow ${colourOf(series)}`}" transform="translate(${at(x)} ${at(y)})" d="${shape}" data-t="${text}"><title>${text}</title></path>`;
}

/** Patterns of bars: the same colours with another texture for each series. */
export function patternDefinitions(id: string, all: readonly Named[]): Markup {
  const one = (series: number): Markup => {
    const lines = ['', 'M0 8L8 0', 'M4 0V8', 'M0 0L8 8', 'M0 4H8', 'M0 8L8 0M0 0L8 8', 'M4 0V8M0 4H8'];
    return html`<pattern id="${id}-p${series}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" class="${colourOf(series)}"/><path class="texture" d="${lines[series % lines.length] ?? ''}"/></pattern>`;
  };
  return html`<defs>${all.map(({ series }) => one(series))}</defs>`;
}

export interface Named {
  readonly name: string;
  /** Its place among all policies of the comparison: the same look in every chart. */
  readonly series: number;
}

/** Names with their looks, as lines with a mark or as boxes. */
export function legend(names: readonly Named[], look: 'lines' | 'marks' | { readonly patterns: string }): Markup {
  const sample = (series: number): Markup => {
    if (typeof look === 'object')
      return html`<rect x="2" y="2" width="26" height="12" fill="url(#${look.patterns}-p${series})" class="${outlineOf(series)}"/>`;
    const line = look === 'lines' ? html`<path class="line ${colourOf(series)}" stroke-dasharray="${dashOf(series)}" d="M0 8H30"/>` : '';
    return html`${line}<path class="${colourOf(series)}" transform="translate(15 8)" d="${PATHS[series % PATHS.length] ?? ''}"/>`;
  };
  return html`<ul class="legend">${names.map(({ name, series }) => html`<li><svg width="30" height="16" aria-hidden="true">${sample(series)}</svg> ${name}</li>`)}</ul>`;
}

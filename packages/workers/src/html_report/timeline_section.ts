/**
 * The timeline of one run: a lane for each CPU, arrows from whoever woke to who was woken; the script of the page draws it and zooms.
 * Next: page/timeline_view.ts
 */

import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import { type Timeline, timelineOf } from '../exports/timeline.ts';
import { html, jsonMarkup, type Markup } from './markup.ts';
import { tableOf } from './tables.ts';
import { SLICE_LOOKS, sliceText, timelineData } from './timeline_data.ts';

export interface ShownTimeline {
  /** Whose it is: scenario, policy, run. */
  readonly title: string;
  readonly trace: readonly (readonly TraceEntry[])[];
  readonly titles?: readonly string[];
}

const ROWS_MOST = 400;
const ms = (us: number): string => (us / 1000).toFixed(3);

/** @param id unlike that of any other timeline of the page */
export function timelineSection(id: string, { title, trace, titles }: ShownTimeline): Markup {
  const timeline = timelineOf(trace, titles);
  return html`<figure class="timeline" id="${id}"><figcaption>Timeline: ${title}</figcaption>
<ul class="legend">${SLICE_LOOKS.map((name, look) => html`<li><svg width="30" height="14" aria-hidden="true"><rect x="1" y="1" width="28" height="12" class="slice k${look}"/></svg> ${name}</li>`)}<li><svg width="30" height="14" aria-hidden="true"><path class="wake" d="M1 12L24 3"/><path class="wake-head" d="M29 1L22 1L25 7Z"/></svg> wake-up, from the waker to the woken</li></ul>
<div class="tools" role="group" aria-label="Zoom of the timeline"><button type="button" data-do="in" aria-label="zoom in">+</button><button type="button" data-do="out" aria-label="zoom out">−</button><button type="button" data-do="left" aria-label="earlier">◀</button><button type="button" data-do="right" aria-label="later">▶</button><button type="button" data-do="start">first stretch</button><button type="button" data-do="all">all</button></div>
<svg class="lanes" tabindex="0" role="application" aria-label="Timeline of ${title}. Plus and minus zoom, left and right move, up and down go from slice to slice, N and P from wake-up to wake-up, Home shows all."></svg>
<output class="said" aria-live="polite"></output>
<p class="note">Keys, once the timeline has the focus: + and − zoom, ◀ and ▶ move, ▲ and ▼ go from slice to slice, N and P from wake-up to wake-up, Home shows all, 0 the first stretch. The wheel zooms while the timeline has the focus; dragging moves.</p>
<details><summary>Table: wake-ups and the longest slices of the timeline</summary>${wakeTable(timeline)}${sliceTable(timeline)}</details>
<script type="application/json" class="data">${jsonMarkup(timelineData(timeline))}</script></figure>
`;
}

function wakeTable({ wakes, titles, slices }: Timeline): Markup {
  const ordered = [...wakes].sort((a, b) => a.wokenByUs - b.wokenByUs).slice(0, ROWS_MOST);
  return tableOf({
    caption: `Wake-ups${wakes.length > ROWS_MOST ? `, the first ${ROWS_MOST} of ${wakes.length}` : ''}`,
    header: ['woken at, ms', 'waker', 'woken', 'it slept for', 'went on at, ms', 'after, us'],
    rows: ordered.map(({ fromCpu, toCpu, wokenByUs, ranAtUs, slice }) => [
      ms(wokenByUs),
      titles[fromCpu] ?? '',
      titles[toCpu] ?? '',
      slices[slice]?.name ?? '',
      ms(ranAtUs),
      ranAtUs - wokenByUs,
    ]),
  });
}

function sliceTable({ slices, titles }: Timeline): Markup {
  const longest = [...slices].sort((a, b) => b.endUs - b.startUs - (a.endUs - a.startUs) || a.startUs - b.startUs).slice(0, ROWS_MOST);
  return tableOf({
    caption: `Slices, the longest first${slices.length > ROWS_MOST ? `: ${ROWS_MOST} of ${slices.length}` : ''}`,
    header: ['begins at, ms', 'CPU', 'what', 'us'],
    rows: longest.map((slice) => [ms(slice.startUs), titles[slice.cpu] ?? '', sliceText(slice), slice.endUs - slice.startUs]),
  });
}

/** The script of a report: makes its timelines and charts usable, and says when that is done. */
import { readMarksByKey } from './chart_keys.ts';
import { TimelineView } from './timeline_view.ts';

for (const figure of document.querySelectorAll('figure.timeline')) new TimelineView(figure);
for (const chart of document.querySelectorAll<SVGSVGElement>('svg.chart')) readMarksByKey(chart);
document.documentElement.dataset['readyMs'] = performance.now().toFixed(1);

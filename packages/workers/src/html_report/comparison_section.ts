/**
 * A comparison on a page: its machine and warnings, and for each scenario the changes, the latencies, the waits, and every run by itself.
 * Next: change_chart.ts, cdf_chart.ts, decade_chart.ts, timeline_section.ts
 */
import { type CdfSeries, cdfChart, cdfTable } from './cdf_chart.ts';
import { changeChart } from './change_chart.ts';
import { decadeChart, decadeTable } from './decade_chart.ts';
import { percent, said } from './figures.ts';
import { html, type Markup, NOTHING } from './markup.ts';
import type { Fact, ScenarioChange, ShownComparison, ShownScenario } from './page_data.ts';
import { figure, type Table, tableOf } from './tables.ts';
import { timelineSection } from './timeline_section.ts';

/** Metrics in a chart; the table has all. */
const CHARTED_MOST = 24;
const CHARTED_LEAST = 8;

export const factList = (facts: readonly Fact[]): Markup =>
  html`<dl class="facts">${facts.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

export const warningList = (warnings: readonly string[]): Markup =>
  warnings.length === 0 ? NOTHING : html`<ul class="warnings">${warnings.map((warning) => html`<li>Warning: ${warning}</li>`)}</ul>`;

/** @param id unlike that of any other section of the page */
export function comparisonSection(id: string, comparison: ShownComparison): Markup {
  const { title, facts, warnings, scenarios, timeline, policies, meanings } = comparison;
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${factList(facts)}${warningList(warnings)}
${scenarios.map((scenario, place) => scenarioSection(`${id}-s${place}`, scenario, policies))}
${timeline === undefined ? NOTHING : timelineSection(`${id}-timeline`, timeline)}
<details><summary>What the metrics mean</summary>${tableOf({ caption: 'Metrics', header: ['metric', 'meaning'], rows: Object.entries(meanings) })}</details></section>
`;
}

function scenarioSection(id: string, scenario: ShownScenario, policies: readonly string[]): Markup {
  const { name, note, changes, faults, calls, waits } = scenario;
  const drawable = waits.filter(({ series }) => series.some(({ perSecond }) => perSecond.some((value) => value > 0)));
  return html`<section id="${id}" aria-labelledby="${id}-title"><h3 id="${id}-title">${name}</h3><p class="note">${note}</p>
${changeFigure(changes, policies)}
${faults.map(cdfFigure)}
${drawable.map(({ lock, series }, place) => figure(`Waits for ${lock}`, decadeChart(`${id}-w${place}`, lock, series), [decadeTable(lock, series)]))}
${calls.length === 0 ? NOTHING : html`<details><summary>Latency of ${calls.length} other kinds of call</summary>${calls.map(cdfFigure)}</details>`}
<details><summary>Every run by itself</summary>${tableOf(runTable(scenario))}${tableOf(metricTable(scenario))}</details></section>
`;
}

const cdfFigure = ({ path, series }: { readonly path: string; readonly series: readonly CdfSeries[] }): Markup =>
  figure(`Latency: ${path}`, cdfChart(path, series), [cdfTable(`Latency: ${path}`, series)]);

function changeFigure(changes: readonly ScenarioChange[], policies: readonly string[]): Markup {
  if (changes.length === 0) return NOTHING;
  const shown = chartedOf(changes);
  const chart = shown.length === 0 ? html`<p class="note">No metric has a mean that is not 0.</p>` : changeChart(policies, shown);
  const significant = changes.filter((change) => change.significant).length;
  const note = `${significant} of ${changes.length} changes are significant. ${shown.length < changes.length ? 'The chart has those that changed most; the table has all.' : ''}`;
  return figure(`Policies side by side, against ${policies[0]}`, chart, changeTables(changes, policies), note);
}

/** Significant ones first, the largest factors first; in the order of the table. */
function chartedOf(changes: readonly ScenarioChange[]): ScenarioChange[] {
  const possible = changes.filter(({ before, after }) => before > 0 && after >= 0);
  const size = ({ before, after, significant }: ScenarioChange): number =>
    (significant ? 1000 : 0) + Math.min(900, Math.abs(Math.log(Math.max(after, before / 1e6) / before)));
  const metrics = [...new Set([...possible].sort((a, b) => size(b) - size(a)).map(({ metric }) => metric))];
  const significant = new Set(possible.filter((change) => change.significant).map(({ metric }) => metric)).size;
  const chosen = new Set(metrics.slice(0, Math.min(CHARTED_MOST, Math.max(CHARTED_LEAST, significant))));
  return possible.filter(({ metric }) => chosen.has(metric));
}

function changeTables(changes: readonly ScenarioChange[], policies: readonly string[]): Table[] {
  return policies.slice(1).map((policy) => ({
    caption: `${policies[0]} and ${policy}`,
    header: ['metric', 'unit', 'better', policies[0] ?? '', policy, 'change', 'from', 'to', 'p', 'significant'],
    rows: changes
      .filter((change) => change.policy === policy)
      .map(({ metric, unit, better, before, after, low, high, p, significant }) => {
        const share = (part: number): string => percent(before === 0 ? null : (100 * part) / before);
        return [
          metric,
          unit,
          better,
          said(before),
          said(after),
          share(after - before),
          share(low),
          share(high),
          said(p),
          significant ? 'yes *' : 'no',
        ];
      }),
  }));
}

function runTable({ runs, name }: ShownScenario): Table {
  return {
    caption: `Runs of ${name}`,
    header: ['run', 'policy', 'seed', 'seconds', 'CPU seconds', 'cores of others', 'averaged in'],
    rows: runs.map(({ policy, run, seed, seconds, cpuSeconds, othersCores, distrust }) => [
      run + 1,
      policy,
      seed,
      said(seconds),
      said(cpuSeconds),
      othersCores.toFixed(2),
      distrust === undefined ? 'yes' : `no: ${distrust}`,
    ]),
  };
}

function metricTable({ runs, name }: ShownScenario): Table {
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(run.metrics)))];
  return {
    caption: `Metrics of every run of ${name}`,
    header: ['metric', ...runs.map(({ policy, run }) => `${policy}, run ${run + 1}`)],
    rows: metrics.map((metric) => [metric, ...runs.map((run) => said(run.metrics[metric] ?? null))]),
  };
}

/**
 * What a report shows of the file of a comparison.
 * Next: page_data.ts
 */
import { LATENCY_PATHS, type LatencyPath } from '../arena_map.ts';
import type { ComparisonFile, PolicyRecord, RunRecord, ScenarioRecord } from '../compare/comparison_file.ts';
import { METRICS } from '../compare/metrics.ts';
import { coarseBucketNs } from '../compare/percentiles.ts';
import { addDecades, averagedRuns, type PairSummary, pairsOf } from '../compare/summary.ts';
import type { Environment } from '../environment.ts';
import type { CdfSeries, Histogram } from './cdf_chart.ts';
import type { Fact, ScenarioChange, ShownComparison, ShownScenario } from './page_data.ts';

/** Of a file that was read. @param name what the reader calls it */
export function shownComparison(file: ComparisonFile, name: string): ShownComparison {
  const { parameters, environment, scenarios, timeline } = file;
  const { policies, cpus, runs, seconds, seed, trace } = parameters;
  return {
    title: `Comparison: ${name}`,
    facts: [
      ...hostFacts(environment),
      { name: 'policies, the baseline first', value: policies.join(', ') },
      { name: 'CPUs of the model', value: String(cpus) },
      { name: 'runs of each policy', value: `${runs}${trace === null ? ` of ${seconds} s` : ''}` },
      ...(trace === null ? [] : [{ name: 'replayed', value: `${trace.file}, requests of the device take ${trace.io}` }]),
      { name: 'seed', value: String(seed) },
    ],
    warnings: warningsOf(file),
    policies,
    meanings: Object.fromEntries(METRICS.map((metric) => [metric.name, `${metric.meaning} (${metric.unit}; better: ${metric.better})`])),
    scenarios: scenarios.map((scenario) => shownScenario(scenario, policies, seed)),
    timeline:
      timeline === undefined
        ? undefined
        : {
            title: `${timeline.scenario} under ${timeline.policy}, run ${timeline.run + 1}, the last events of every CPU`,
            trace: timeline.cpus,
            // Devices and background threads come after the CPUs of programs.
            titles: timeline.cpus.map((_, cpu) => (cpu < cpus ? `CPU ${cpu}` : `thread ${cpu}`)),
          },
  };
}

export const hostFacts = ({ node, platform, cpuModel, cores, load }: Environment): Fact[] => [
  { name: 'host', value: `${cores} core${cores === 1 ? '' : 's'} (${cpuModel}), ${platform}` },
  { name: 'Node', value: node },
  { name: 'load before', value: load.toFixed(2) },
];

function warningsOf({ parameters, environment, scenarios, interrupted, failed }: ComparisonFile): string[] {
  const runs = scenarios.flatMap(({ policies }) => policies.flatMap((policy) => policy.runs));
  const distrusted = runs.filter(({ trustworthy }) => !trustworthy).length;
  const { cpus } = parameters;
  return [
    ...(failed === null ? [] : [`a run went wrong and ended the comparison: ${failed.join(' ')}`]),
    ...(interrupted ? ['it was interrupted: later runs are missing'] : []),
    ...(distrusted === 0
      ? []
      : [`${distrusted} of ${runs.length} runs did not have the CPU that they needed, and are not averaged in where others are there`]),
    ...(cpus > environment.cores
      ? [
          `${cpus} CPUs of the model shared ${environment.cores} core${environment.cores === 1 ? '' : 's'}: times have waits for cores in them`,
        ]
      : []),
  ];
}

function shownScenario(record: ScenarioRecord, policies: readonly string[], seed: number): ShownScenario {
  const pairs = pairsOf(record, seed);
  const paths = pathsOf(record);
  const shown = (path: LatencyPath): { path: string; series: CdfSeries[] } => ({ path, series: latencySeries(record, path, policies) });
  return {
    name: record.scenario,
    note: noteOf(record, pairs),
    changes: pairs.flatMap((pair) => changesOf(pair, policies)),
    faults: paths.filter((path) => path.startsWith('fault: ')).map(shown),
    calls: paths.filter((path) => !path.startsWith('fault: ')).map(shown),
    waits: locksOf(record).map((lock) => ({
      lock,
      series: record.policies.map(({ policy, runs }) => ({
        name: policy,
        series: policies.indexOf(policy),
        perSecond: waitsPerSecond(averagedRuns(runs), lock),
      })),
    })),
    runs: record.policies.flatMap(({ runs }) =>
      runs.map(({ trustworthy, reason, ...run }) => ({ ...run, distrust: trustworthy ? undefined : (reason ?? 'too little CPU') })),
    ),
  };
}

function noteOf({ policies }: ScenarioRecord, pairs: readonly PairSummary[]): string {
  const counts = policies.map(({ policy, runs }) => `${policy} ${averagedRuns(runs).length} of ${runs.length}`).join(', ');
  const doubtful = pairs.some(({ averaged }) => averaged !== 'trustworthy')
    ? ' Of some policy no run can be trusted: these means are of all runs.'
    : '';
  return `Runs that are averaged: ${counts}.${doubtful}`;
}

const changesOf = ({ after: policy, changes }: PairSummary, policies: readonly string[]): ScenarioChange[] =>
  changes.map(({ metric, before, after, low, high, p, significant }) => ({
    metric: metric.name,
    unit: metric.unit,
    better: metric.better,
    series: policies.indexOf(policy),
    policy,
    before,
    after,
    low,
    high,
    p,
    significant,
  }));

const allRuns = ({ policies }: ScenarioRecord): readonly RunRecord[] => policies.flatMap(({ runs }) => runs);

/** In the order of the tables elsewhere. */
function pathsOf(record: ScenarioRecord): LatencyPath[] {
  const seen = new Set(allRuns(record).flatMap(({ histograms }) => Object.keys(histograms.latency)));
  return LATENCY_PATHS.filter((path) => seen.has(path));
}

const locksOf = (record: ScenarioRecord): WaitedLock[] => [
  ...new Set(allRuns(record).flatMap(({ histograms }) => Object.keys(histograms.waits) as WaitedLock[])),
];

type WaitedLock = keyof RunRecord['histograms']['waits'];

/** Policies that never took the path are left out. */
const latencySeries = (record: ScenarioRecord, path: LatencyPath, policies: readonly string[]): CdfSeries[] =>
  record.policies
    .map(({ policy, runs }: PolicyRecord) => ({
      name: policy,
      series: policies.indexOf(policy),
      histogram: histogramOf(averagedRuns(runs), path),
    }))
    .filter(({ histogram }) => histogram.length > 0);

function histogramOf(runs: readonly RunRecord[], path: LatencyPath): Histogram {
  const counts = new Map<number, number>();
  for (const { histograms } of runs) {
    for (const [bucket, count] of histograms.latency[path] ?? []) counts.set(bucket, (counts.get(bucket) ?? 0) + count);
  }
  return [...counts].sort(([a], [b]) => a - b).map(([bucket, count]) => [coarseBucketNs(bucket), count]);
}

function waitsPerSecond(runs: readonly RunRecord[], lock: WaitedLock): number[] {
  const seconds = runs.reduce((sum, run) => sum + run.seconds, 0);
  return addDecades(runs.map(({ histograms }) => histograms.waits[lock])).map((count) => count / Math.max(seconds, 1e-3));
}

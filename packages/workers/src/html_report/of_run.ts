/**
 * What a report shows of the file of a single run, as stress --export writes it.
 * Next: run_section.ts
 */
import type { RunFile } from '../exports/run_file.ts';
import { said, span } from './figures.ts';
import { hostFacts } from './of_comparison.ts';
import type { ShownRunFile } from './page_data.ts';

/** Of a file that was read. @param name what the reader calls it */
export function shownRunFile(file: RunFile, name: string): ShownRunFile {
  const { scenario, policy, cpus, seed, wallMs, ops, verdict, environment, trace, cpuTitles } = file;
  return {
    title: `Run: ${name}`,
    facts: [
      { name: 'verdict', value: verdict },
      { name: 'scenario', value: scenario ?? 'several' },
      { name: 'policy', value: policy },
      { name: 'CPUs of the model', value: String(cpus) },
      { name: 'seed', value: String(seed) },
      { name: 'seconds', value: said(wallMs / 1000) },
      { name: 'operations', value: said(ops) },
      ...hostFacts(environment),
    ],
    warnings: warningsOf(file),
    tables: tablesOf(file),
    timeline: trace.some((events) => events.length > 0)
      ? { title: `${scenario ?? 'the last scenario'} under ${policy}, the last events of every CPU`, trace, titles: cpuTitles }
      : undefined,
  };
}

const warningsOf = ({ violations, message, cpus, environment }: RunFile): string[] => [
  ...violations.map(
    ({ id, message: what, cpu }) => `${id} was broken, found by ${cpu === undefined ? 'a sweep after the run' : `CPU ${cpu}`}: ${what}`,
  ),
  ...(message === null || message === '' ? [] : [message]),
  ...(cpus > environment.cores ? [`${cpus} CPUs of the model shared ${environment.cores} cores: times have waits for cores in them`] : []),
];

function tablesOf({ latency, locks, counters, outcomes }: RunFile): ShownRunFile['tables'] {
  return [
    {
      caption: 'Latencies',
      header: ['path', 'timed', 'p50', 'p99', 'p99.9', 'longest'],
      rows: latency.map(({ path, timed, p50, p99, p999, max }) => [path, timed, span(p50), span(p99), span(p999), span(max)]),
    },
    {
      caption: 'Locks',
      header: ['lock', 'mode', 'acquisitions', 'contentions', 'waited, us', 'longest, us'],
      rows: locks.map(({ name, mode, acquisitions, contentions, waitUsTotal, waitUsMax }) => [
        name,
        mode,
        acquisitions,
        contentions,
        waitUsTotal,
        waitUsMax,
      ]),
    },
    {
      caption: 'How operations ended',
      header: ['operation', 'outcome', 'times'],
      rows: outcomes.map(({ operation, outcome, count }) => [operation, outcome, count]),
    },
    {
      caption: 'Counters that are not 0',
      header: ['counter', 'events'],
      rows: Object.entries(counters).filter(([, count]) => count !== 0),
    },
  ];
}

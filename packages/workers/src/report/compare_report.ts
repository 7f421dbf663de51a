/**
 * A comparison of policies as text: each policy against the baseline, what retries find, and how fast the devices are.
 * Next: change_tables.ts
 */

import type { ScenarioRecord } from '../compare/comparison_file.ts';
import { type Measured, type MeasuredDevice, median } from '../compare/measured.ts';
import type { PolicyRuns, ScenarioMeasured } from '../compare/run_compare.ts';
import { SCARCE_SHARE } from '../compare/run_record.ts';
import { type PairSummary, pairsOf } from '../compare/summary.ts';
import type { Environment } from '../environment.ts';
import { changeTable, decadeTable, mmtestsLines } from './change_tables.ts';
import { short } from './numbers.ts';
import { textTable } from './text_table.ts';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** What the host is, and whether it had something else to do. */
export function hostLine({ cores, cpuModel, node }: Environment, othersCores: number): string {
  const scarce = othersCores > SCARCE_SHARE * cores ? ': too many to say how near a device is to its speed' : '';
  return `A model on ${cores} core${cores === 1 ? '' : 's'} (${cpuModel}, Node ${node.slice(1)}); other programs took ${othersCores.toFixed(2)} cores${scarce}.`;
}

export interface CompareReportOptions {
  readonly cpus: number;
  /** What the bootstrap draws from. */
  readonly seed: number;
  /** Every metric, not only those that matter most or have changed. */
  readonly all: boolean;
}

/** All of a comparison, scenario by scenario. @returns lines */
export function compareReport(
  scenarios: readonly ScenarioRecord[],
  measured: readonly ScenarioMeasured[],
  options: CompareReportOptions,
): string[] {
  const lines = scenarios.flatMap((scenario) => {
    if (scenario.policies.length === 0) return [];
    const { policies = [] } = measured.find((each) => each.scenario === scenario.scenario) ?? {};
    return [
      `== ${scenario.scenario}`,
      '',
      ...changesReport(scenario, options),
      ...(policies.length === 0 ? [] : [...retryReport(policies), '']),
    ];
  });
  return lines.length === 0 ? ['No run ended.'] : lines.slice(0, lines.at(-1) === '' ? -1 : undefined);
}

/** Each policy against the first. @returns lines, an empty one last */
function changesReport(record: ScenarioRecord, { cpus, seed, all }: CompareReportOptions): string[] {
  const pairs = pairsOf(record, seed);
  if (pairs.length === 0) return [];
  const [baseline] = record.policies;
  const lines = pairs.flatMap((pair, place) => [
    `${pair.before} -> ${pair.after}: ${runsText(record, pair)}`,
    '',
    ...changeTable(pair, all),
    '',
    ...decadeTable(baseline?.runs ?? [], record.policies[place + 1]?.runs ?? []),
    '',
  ]);
  return [...lines, ...mmtestsLines(cpus, record.policies, pairs), ''];
}

/** "5 and 5 runs; 12 of 58 metrics significant (*)" */
function runsText({ policies }: ScenarioRecord, { before, after, averaged, leftOut, changes }: PairSummary): string {
  const runs = [before, after].map((name) => policies.find(({ policy }) => policy === name)?.runs.length ?? 0);
  const marked = changes.filter(({ significant }) => significant).length;
  const trust =
    averaged === 'none is trustworthy'
      ? '; none of the runs of one side had enough CPU, so all are untrustworthy and averaged all the same'
      : leftOut === 0
        ? ''
        : `; ${leftOut} of them without enough CPU, which are left out`;
  return `${runs.join(' and ')} runs${trust}; ${marked} of ${changes.length} metrics significant (*)`;
}

/** What retries find and what devices do, policy by policy. @returns lines */
export function retryReport(policies: readonly PolicyRuns[]): string[] {
  if (policies.length === 0) return ['No run ended.'];
  return [
    'What retries find (medians; a second is one of the run, and gone is the share of the drops)',
    '',
    ...retryTable(policies),
    '',
    'What the devices do (allowed: queue depth / mean time of a request, at the pages of a request in these runs)',
    '',
    ...deviceTable(policies),
  ];
}

function retryTable(policies: readonly PolicyRuns[]): string[] {
  const rows = policies.map(({ policy, runs }) => {
    const of = (value: (run: Measured) => number): number => median(runs.map(value));
    const shares = runs.flatMap(({ goneShare }) => (goneShare === undefined ? [] : [goneShare]));
    return [
      policy,
      String(runs.length),
      short(of((run) => run.dropsPerSecond)),
      short(of((run) => run.gonePerSecond)),
      shares.length === 0 ? '-' : percent(median(shares)),
      shares.length === 0 ? '-' : `${percent(Math.min(...shares))} to ${percent(Math.max(...shares))}`,
      of((run) => run.pagesReadPerPageUsed).toFixed(2),
      short(of((run) => run.refaultsPerSecond)),
      short(of((run) => run.faultsPerSecond)),
      short(of((run) => run.usesPerSecond)),
    ];
  });
  const header = [
    'policy',
    'runs',
    'drops/s',
    'gone/s',
    'gone',
    'from',
    'pages read per page used',
    'refaults/s',
    'faults/s',
    'pages used/s',
  ];
  return textTable(header, rows, ['left']);
}

function deviceTable(policies: readonly PolicyRuns[]): string[] {
  const rows = policies.flatMap(({ policy, runs }) => {
    const numbers = [...new Set(runs.flatMap(({ devices }) => devices.map(({ device }) => device)))];
    return numbers.map((number) => {
      const seen = runs.flatMap(({ devices }) => devices.filter(({ device }) => device === number));
      const of = (value: (device: MeasuredDevice) => number): number => median(seen.map(value));
      return [
        policy,
        String(number),
        short(of((device) => device.readsPerSecond)),
        short(of((device) => device.pagesPerSecond)),
        short(of((device) => device.pagesPerSecondAllowed)),
        percent(of((device) => device.pagesPerSecond / device.pagesPerSecondAllowed)),
      ];
    });
  });
  if (rows.length === 0) return ['No device that takes time was read.'];
  return textTable(['policy', 'device', 'reads/s', 'pages/s', 'allowed', 'of it'], rows, ['left']);
}

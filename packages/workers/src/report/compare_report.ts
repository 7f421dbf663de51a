/**
 * A comparison of policies as tables: what retries find, and how fast the devices are. Medians over the runs of each policy.
 * Next: text_table.ts
 */
import { type Measured, type MeasuredDevice, median } from '../compare/measured.ts';
import type { PolicyRuns } from '../compare/run_compare.ts';
import type { Environment } from '../environment.ts';
import { short } from './numbers.ts';
import { textTable } from './text_table.ts';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Share of the host beyond which other programs spoil what is compared. */
const SCARCE_SHARE = 0.2;

/** What the host is, and whether it had something else to do. */
export function hostLine({ cores, cpuModel, node }: Environment, othersCores: number): string {
  const scarce = othersCores > SCARCE_SHARE * cores ? ': too many to say how near a device is to its speed' : '';
  return `A model on ${cores} core${cores === 1 ? '' : 's'} (${cpuModel}, Node ${node.slice(1)}); other programs took ${othersCores.toFixed(2)} cores${scarce}.`;
}

/** @returns lines */
export function compareReport(policies: readonly PolicyRuns[]): string[] {
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

/**
 * The text at the end of a stress run: tables, then what went wrong if anything did, then one line with the verdict and every parameter.
 */
import type { Environment } from '../environment.ts';
import { injectedLine, troublesBy } from '../inject/apply.ts';
import { injectText } from '../inject/injections.ts';
import { TIMED_ACCESSES, TIMED_CALLS } from '../program/program_work.ts';
import type { ScenarioResult } from '../run_scenario.ts';
import type { StressOptions, StressOutcome } from '../stress/run_stress.ts';
import { faultsOf, type StressTotals } from '../stress/stress_totals.ts';
import { type FailureContext, failureBlock } from './failure_block.ts';
import { lockOrderTable } from './lock_order.ts';
import { lockStatTable } from './lock_stat_table.ts';
import { grouped, short } from './numbers.ts';
import { outcomeTable } from './outcome_table.ts';
import { pathTable } from './path_table.ts';
import { textTable } from './text_table.ts';
import { vmstatTable } from './vmstat_table.ts';

/** Share of the host beyond which other programs spoil the times. */
const SCARCE_SHARE = 0.2;

type StressParameters = Pick<StressOptions, 'cpus' | 'seconds' | 'seed' | 'verify' | 'deep' | 'scenarios' | 'inject'> & {
  readonly policy: string;
  readonly arch?: string;
};

/** @param notes lines to stand before the verdict @param context of the failure, if there is one @returns lines; the last one is the verdict */
export function stressReport(
  parameters: StressParameters,
  outcome: StressOutcome,
  host: Environment,
  notes: readonly string[] = [],
  context: FailureContext = {},
): string[] {
  const { totals, failed } = outcome;
  return [
    '',
    `A model on ${host.cores} core${host.cores === 1 ? '' : 's'} (${host.cpuModel}, Node ${host.node.slice(1)}): directions and mechanisms, not a kernel's speed.`,
    `${parameters.cpus} CPU${parameters.cpus === 1 ? '' : 's'} ran for ${(totals.wallMs / 1000).toFixed(1)} s${cpuShare(totals, outcome.othersCores, host.cores)}.`,
    '',
    ...scenarioTable(totals),
    '',
    `Latency (one access in ${TIMED_ACCESSES} and one call in ${TIMED_CALLS} is timed; max is the longest of those)`,
    ...pathTable(totals.counters, totals.outcomes, totals.latency.summaries()),
    '',
    'How operations ended',
    ...outcomeTable(totals.outcomes, troublesBy(parameters.inject ?? [])),
    '',
    "# faultlab: a model's counters, under the names of /proc/vmstat",
    ...vmstatTable(totals.counters, totals.states),
    '',
    ...lockStatTable(totals.locks),
    ...(totals.lockOrder.length === 0 ? [] : ['', ...lockOrderTable(totals.lockOrder)]),
    '',
    ...goneLine(totals),
    fairnessLine(totals),
    ...injectedLines(parameters, totals),
    ...unseenLines(totals),
    ...(failed === undefined ? [] : ['', ...failureLines(parameters, failed, context)]),
    ...notes,
    '',
    verdictLine(parameters, outcome),
  ];
}

/** What went wrong, and how to do it again. */
export function failureLines(parameters: StressParameters, failed: ScenarioResult, context: FailureContext = {}): string[] {
  const { policy, arch = 'x86', cpus, seconds, verify, inject = [] } = parameters;
  const { scenario, seed } = failed;
  const told = { scenario, policy, arch, cpus, seconds, seed, verify, ...(inject.length === 0 ? {} : { inject: injectText(inject) }) };
  return failureBlock(failed, again(parameters, scenario, seed), { parameters: { ...told, node: process.version }, ...context });
}

/** `stress: SUCCESS policy=... faults=... violations=0` */
export function verdictLine(parameters: StressParameters, outcome: StressOutcome): string {
  const { failed, totals } = outcome;
  const { inject = [] } = parameters;
  const fields = [
    `policy=${parameters.policy}`,
    ...(isReference(parameters) ? [] : [`arch=${parameters.arch}`]),
    `scenarios=${parameters.scenarios.map((scenario) => scenario.name).join(',')}`,
    `cpus=${parameters.cpus}`,
    `seconds=${parameters.seconds}`,
    `seed=${parameters.seed}`,
    `verify=${parameters.deep === true ? 'deep' : parameters.verify}`,
    ...(inject.length === 0 ? [] : [`inject=${injectText(inject)}`]),
    `faults=${faultsOf(totals.counters)}`,
    `violations=${failed?.violations.length ?? 0}`,
  ];
  if (failed !== undefined)
    fields.push(`reason=${failed.verdict === 'failure' ? (failed.violations[0]?.id ?? 'unknown') : failed.verdict}`);
  if (outcome.interrupted) fields.push('interrupted=true');
  return `stress: ${failed === undefined ? 'SUCCESS' : 'FAILURE'} ${fields.join(' ')}`;
}

/** The entry that everything else is compared with needs no name. */
const isReference = ({ arch = 'x86' }: StressParameters): boolean => arch === 'x86';

/** The command that repeats a slice. */
function again(parameters: StressParameters, scenario: string, seed: number): string {
  const { policy, cpus, seconds, verify, deep = false, inject = [] } = parameters;
  const arch = isReference(parameters) ? '' : ` --arch ${parameters.arch}`;
  const options = `--scenario ${scenario} --policy ${policy}${arch} --cpus ${cpus} --seconds ${seconds} --seed ${seed}`;
  const injected = inject.length === 0 ? '' : ` --inject ${injectText(inject)}`;
  return `npx --yes pnpm@12 stress ${options}${deep ? ' --verify deep' : verify ? ' --verify' : ''}${injected}`;
}

/** What the threads received of the host, and what others took meanwhile. */
function cpuShare(totals: StressTotals, othersCores: number, cores: number): string {
  if (totals.cpuMs === undefined || totals.wallMs === 0) return '';
  const received = (totals.cpuMs / totals.wallMs).toFixed(2);
  const scarce = othersCores > SCARCE_SHARE * cores;
  const others = `other programs took ${othersCores.toFixed(2)}`;
  return ` on ${received} of ${cores} cores; ${others}${scarce ? ', so take the times with care' : ''}`;
}

function scenarioTable(totals: StressTotals): string[] {
  const rows = totals.scenarios.map(({ name, slices, wallMs, ops, faults }) => [
    name,
    String(slices),
    (wallMs / 1000).toFixed(1),
    short(ops / Math.max(wallMs / 1000, 0.001)),
    short(faults / Math.max(wallMs / 1000, 0.001)),
  ]);
  return textTable(['scenario', 'slices', 'seconds', 'ops/s', 'faults/s'], rows, ['left']);
}

/** What the lock was dropped for, and whether it was for nothing: the page was gone again when the fault came back. */
function goneLine({ counters }: StressTotals): string[] {
  const { lock_dropped_for_io: dropped, page_gone_at_retry: gone } = counters;
  if (dropped === 0 && gone === 0) return [];
  const share = dropped === 0 ? '' : ` (${((100 * gone) / dropped).toFixed(1)} %)`;
  return [`I/O: the fault lock was dropped ${grouped(dropped)} times; ${grouped(gone)} retries${share} found their page gone`];
}

function fairnessLine(totals: StressTotals): string {
  const { min, max, mean } = totals.fairness;
  return `Fairness: operations per CPU ${grouped(min)} to ${grouped(max)}, mean ${grouped(mean)} (Max/Min: ${max}/${min})`;
}

function injectedLines({ inject = [] }: StressParameters, totals: StressTotals): string[] {
  const line = injectedLine(inject, totals.counters);
  return line === undefined ? [] : [line];
}

function unseenLines(totals: StressTotals): string[] {
  return totals.scenarios
    .filter((scenario) => scenario.unseen.length > 0)
    .map((scenario) => `Note: ${scenario.name} never saw ${scenario.unseen.join(', ')}; give it more time.`);
}

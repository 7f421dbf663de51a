/**
 * The result files as questions are asked of them: a policy against another in a scenario, what a metric does, and the words for it.
 * Next: questions.ts
 */
import type { ComparisonFile, RunRecord } from '../compare/comparison_file.ts';
import { averagedRuns, comparePair, type MetricChange, type PairSummary, valuesOf } from '../compare/summary.ts';
import { amountText, changeText, intervalText } from '../report/change_tables.ts';
import type { ResultName } from './result_files.ts';

/** Of one policy, by scripts/lib/branches.mjs: one fault of every kind is taken. */
export interface BranchCounts {
  readonly policy: string;
  /** Decisions of the fault path that were met. */
  readonly decisions: number;
  /** Their outcomes that happened, by name. */
  readonly outcomes: readonly string[];
  readonly attempts: number;
  readonly mmapAcquisitions: number;
  readonly drops: number;
}

export interface ResultSet {
  readonly comparisons: Readonly<Record<ResultName, ComparisonFile>>;
  readonly branches: readonly BranchCounts[];
}

/** What a metric does between two policies. */
export type Direction = 'rises' | 'falls' | 'undecided';

export const directionOf = (change: MetricChange | undefined): Direction => {
  if (change?.significant !== true) return 'undecided';
  return change.difference > 0 ? 'rises' : 'falls';
};

/** "-71.4 % (-80.1 to -60.2 %)*" */
export const changeWords = (change: MetricChange | undefined): string =>
  change === undefined ? 'nothing was measured' : `${changeText(change)} (${intervalText(change)})${change.significant ? '*' : ''}`;

/** "45 -> 0.9 (-98.0 %)*" */
export const cellOf = (change: MetricChange | undefined): string =>
  change === undefined
    ? '-'
    : `${amountText(change.before)} -> ${amountText(change.after)} (${changeText(change)})${change.significant ? '*' : ''}`;

export class Evidence {
  readonly set: ResultSet;
  readonly #pairs = new Map<string, PairSummary>();

  constructor(set: ResultSet) {
    this.set = set;
  }

  runs(file: ResultName, scenario: string, policy: string): readonly RunRecord[] {
    const record = this.set.comparisons[file].scenarios.find((each) => each.scenario === scenario);
    return record?.policies.find((each) => each.policy === policy)?.runs ?? [];
  }

  scenarios(file: ResultName): string[] {
    return this.set.comparisons[file].scenarios.map(({ scenario }) => scenario);
  }

  /** A metric of two policies in one scenario; undefined when one of them says nothing. */
  change(file: ResultName, scenario: string, before: string, after: string, metric: string): MetricChange | undefined {
    const key = [file, scenario, before, after].join();
    let pair = this.#pairs.get(key);
    if (pair === undefined) {
      const runs = [this.runs(file, scenario, before), this.runs(file, scenario, after)] as const;
      pair = comparePair({ scenario, before, after }, runs, this.set.comparisons[file].parameters.seed);
      this.#pairs.set(key, pair);
    }
    return pair.changes.find((change) => change.metric.name === metric);
  }

  /** The same metric and policy in two scenarios. */
  between(file: ResultName, policy: string, one: string, other: string, metric: string): MetricChange | undefined {
    const runs = [this.runs(file, one, policy), this.runs(file, other, policy)] as const;
    const pair = comparePair({ scenario: one, before: one, after: other }, runs, this.set.comparisons[file].parameters.seed);
    return pair.changes.find((change) => change.metric.name === metric);
  }

  /** The mean over the runs that count, or null. */
  mean(file: ResultName, scenario: string, policy: string, metric: string): number | null {
    const values = valuesOf(averagedRuns(this.runs(file, scenario, policy)), metric);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** Scenarios in which a metric goes that way. */
  where(file: ResultName, before: string, after: string, metric: string, direction: Direction): string[] {
    return this.scenarios(file).filter((scenario) => directionOf(this.change(file, scenario, before, after, metric)) === direction);
  }

  branches(policy: string): BranchCounts | undefined {
    return this.set.branches.find((each) => each.policy === policy);
  }
}

export const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.map((name) => `\`${name}\``).join(', '));

export const markdownTable = (header: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(header), row(header.map(() => '---')), ...rows.map(row), ''];
};

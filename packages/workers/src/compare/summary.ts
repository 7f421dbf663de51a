/**
 * A comparison's runs summed up: for each scenario and each policy against the baseline, every metric before and after. Tests are corrected
 * together within one such pair, so that a policy that is compared with itself has nothing to show.
 * Next: statistics.ts, report/compare_report.ts
 */
import type { ComparisonFile, Decades, RunRecord, ScenarioRecord } from './comparison_file.ts';
import { METRICS, type Metric } from './metrics.ts';
import { type Change, changeOf, isApart, rejected } from './statistics.ts';

export interface MetricChange extends Change {
  readonly metric: Metric;
  readonly significant: boolean;
}

/** Which runs the means are of: all that can be trusted; or all, because none can. */
export type Averaged = 'trustworthy' | 'none is trustworthy';

export interface PairSummary {
  readonly scenario: string;
  readonly before: string;
  readonly after: string;
  readonly averaged: Averaged;
  /** Runs that are left out. */
  readonly leftOut: number;
  /** Metrics of which both sides say something, in the order of the table. */
  readonly changes: readonly MetricChange[];
}

/** The runs that count. */
export function averagedRuns(runs: readonly RunRecord[]): readonly RunRecord[] {
  const good = runs.filter(({ trustworthy }) => trustworthy);
  return good.length === 0 ? runs : good;
}

/** Of both sides alike: runs of one side that can be trusted are not compared with runs of the other that cannot. */
function sidesOf(
  before: readonly RunRecord[],
  after: readonly RunRecord[],
): readonly [readonly RunRecord[], readonly RunRecord[], Averaged] {
  const good = [before, after].map((runs) => runs.filter(({ trustworthy }) => trustworthy)) as [RunRecord[], RunRecord[]];
  if (good[0].length === 0 || good[1].length === 0) return [before, after, 'none is trustworthy'];
  return [...good, 'trustworthy'];
}

export const valuesOf = (runs: readonly RunRecord[], metric: string): number[] =>
  runs.flatMap(({ metrics }) => {
    const value = metrics[metric];
    return value === null || value === undefined ? [] : [value];
  });

/** Two lists of runs. @param seed what the bootstrap draws from */
export function comparePair(
  { scenario, before, after }: { readonly scenario: string; readonly before: string; readonly after: string },
  runs: readonly [before: readonly RunRecord[], after: readonly RunRecord[]],
  seed: number,
): PairSummary {
  const [one, other, averaged] = sidesOf(...runs);
  const changes = METRICS.flatMap((metric, place) => {
    const [from, to] = [valuesOf(one, metric.name), valuesOf(other, metric.name)];
    if (from.length === 0 || to.length === 0) return [];
    // Values that are all the same have nothing to test, whichever run is of which side.
    return [{ change: changeOf(from, to, seed + place), metric, varies: new Set([...from, ...to]).size > 1 }];
  });
  const tested = changes.filter(({ varies }) => varies);
  const rejections = rejected(tested.map(({ change }) => change.p));
  const surprising = new Set(tested.filter((_, place) => rejections[place] === true));
  return {
    scenario,
    before,
    after,
    averaged,
    leftOut: runs[0].length + runs[1].length - one.length - other.length,
    changes: changes.map((each) =>
      // Not a copy, which would draw every interval.
      Object.assign(each.change, { metric: each.metric, significant: surprising.has(each) && isApart(each.change) }),
    ),
  };
}

/** Each policy against the first, in one scenario. */
export function pairsOf({ scenario, policies }: ScenarioRecord, seed: number): PairSummary[] {
  const [baseline, ...others] = policies;
  if (baseline === undefined) return [];
  return others.map(({ policy, runs }) => comparePair({ scenario, before: baseline.policy, after: policy }, [baseline.runs, runs], seed));
}

export const summarize = ({ scenarios, parameters }: ComparisonFile): PairSummary[] =>
  scenarios.flatMap((scenario) => pairsOf(scenario, parameters.seed));

/** Sums of histograms, place by place. */
export function addDecades(all: readonly (Decades | undefined)[]): number[] {
  const sums: number[] = [];
  for (const decades of all)
    decades?.forEach((count, place) => {
      sums[place] = (sums[place] ?? 0) + count;
    });
  return sums;
}

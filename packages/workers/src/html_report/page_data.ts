/**
 * What a report shows, as data: everything is computed before it, and nothing in it is markup.
 * Next: page.ts draws it; of_comparison.ts, of_claims.ts and of_run.ts make it of files
 */
import type { CdfSeries } from './cdf_chart.ts';
import type { ShownChange } from './change_chart.ts';
import type { DecadeSeries } from './decade_chart.ts';
import type { Table } from './tables.ts';
import type { ShownTimeline } from './timeline_section.ts';

export interface Fact {
  readonly name: string;
  readonly value: string;
}

export interface ScenarioChange extends ShownChange {
  readonly unit: string;
  readonly better: 'lower' | 'higher' | 'neither';
  readonly p: number;
}

export interface ShownRun {
  readonly policy: string;
  readonly run: number;
  readonly seed: number;
  readonly seconds: number;
  readonly cpuSeconds: number | null;
  readonly othersCores: number;
  /** Why it is not averaged in; undefined when it is. */
  readonly distrust: string | undefined;
  readonly metrics: Readonly<Record<string, number | null>>;
}

export interface ShownScenario {
  readonly name: string;
  /** What the means are of. */
  readonly note: string;
  readonly changes: readonly ScenarioChange[];
  /** Page faults, and other calls. */
  readonly faults: readonly { readonly path: string; readonly series: readonly CdfSeries[] }[];
  readonly calls: readonly { readonly path: string; readonly series: readonly CdfSeries[] }[];
  readonly waits: readonly { readonly lock: string; readonly series: readonly DecadeSeries[] }[];
  readonly runs: readonly ShownRun[];
}

export interface ShownComparison {
  readonly title: string;
  readonly facts: readonly Fact[];
  readonly warnings: readonly string[];
  /** The baseline first. */
  readonly policies: readonly string[];
  /** Of the metrics that are named in tables. */
  readonly meanings: Readonly<Record<string, string>>;
  readonly scenarios: readonly ShownScenario[];
  readonly timeline: ShownTimeline | undefined;
}

export interface ShownClaim {
  readonly id: string;
  readonly title: string;
  readonly verdict: 'held' | 'not held' | 'undecided';
  /** What was claimed, by whom, set-up, expected shape, what came out. */
  readonly story: readonly Fact[];
  readonly figures: readonly { readonly name: string; readonly unit: string; readonly value: number | null }[];
  readonly text: string;
}

export interface ShownClaims {
  readonly title: string;
  readonly facts: readonly Fact[];
  readonly warnings: readonly string[];
  readonly claims: readonly ShownClaim[];
}

/** A single run. */
export interface ShownRunFile {
  readonly title: string;
  readonly facts: readonly Fact[];
  readonly warnings: readonly string[];
  readonly tables: readonly Table[];
  readonly timeline: ShownTimeline | undefined;
}

export interface PageData {
  readonly title: string;
  readonly comparisons: readonly ShownComparison[];
  readonly claims: readonly ShownClaims[];
  readonly runs: readonly ShownRunFile[];
  /** Files that were looked at and are not in it, with the reason. */
  readonly leftOut: readonly Fact[];
}

/**
 * The file of a comparison: what was run, on what, and every run by itself with its metrics and histograms. Means, changes and stars are not in it:
 * whoever reads the file computes them (summary.ts), so that they cannot disagree with the runs.
 * docs/COMPARE.md explains every field.
 * Next: metrics.ts, summary.ts
 */
import { WAIT_DECADES, WAITED_LOCKS, type WaitedLock } from '@faultlab/core/locking/lock_waits';
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import * as v from 'valibot';
import { LATENCY_PATHS, type LatencyPath } from '../arena_map.ts';
import type { Environment } from '../environment.ts';
import { parseResultFile, type ResultFileKind, readResultFile } from '../result_file.ts';

/** Changes when a reader of old files would misread new ones. */
export const COMPARISON_SCHEMA = 1;

export interface ComparisonParameters {
  /** The first is the baseline. */
  readonly policies: readonly string[];
  readonly scenarios: readonly string[];
  /** What was replayed instead of scenarios; null for scenarios. */
  readonly trace: { readonly file: string; readonly io: string } | null;
  readonly cpus: number;
  /** Of each policy in each scenario. */
  readonly runs: number;
  /** Of each run of a scenario. */
  readonly seconds: number;
  readonly seed: number;
}

/** Counts by decade: below 1 us (with the acquisitions that did not wait), below 10 us, ... up to a second and more. */
export type Decades = readonly number[];

export interface RunHistograms {
  readonly waits: Partial<Readonly<Record<WaitedLock, Decades>>>;
  /** By path: places of coarse buckets (percentiles.ts: coarseBucketNs) and their counts. */
  readonly latency: Partial<Readonly<Record<LatencyPath, readonly (readonly [bucket: number, count: number])[]>>>;
}

export interface RunRecord {
  readonly policy: string;
  /** From 0. */
  readonly run: number;
  readonly seed: number;
  readonly seconds: number;
  /** What the CPUs of the model really ran, all together; null where the system does not tell. */
  readonly cpuSeconds: number | null;
  /** Cores that other programs had meanwhile. */
  readonly othersCores: number;
  readonly trustworthy: boolean;
  /** Why not. */
  readonly reason?: string;
  /** By the names of metrics.ts; null where the run says nothing. */
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly histograms: RunHistograms;
}

export interface PolicyRecord {
  readonly policy: string;
  readonly runs: readonly RunRecord[];
}

export interface ScenarioRecord {
  /** Name of the scenario, or of the trace that was replayed. */
  readonly scenario: string;
  readonly policies: readonly PolicyRecord[];
}

/** The last events of every CPU of one run. */
export interface Timeline {
  readonly scenario: string;
  readonly policy: string;
  readonly run: number;
  readonly cpus: readonly (readonly TraceEntry[])[];
}

export interface ComparisonFile {
  readonly schema: typeof COMPARISON_SCHEMA;
  readonly kind: 'comparison';
  readonly parameters: ComparisonParameters;
  readonly environment: Environment;
  readonly scenarios: readonly ScenarioRecord[];
  readonly interrupted: boolean;
  /** What went wrong and ended the comparison: lines; null for nothing. */
  readonly failed: readonly string[] | null;
  readonly timeline?: Timeline;
}

const FILE_BYTES_MAX = 64 * 2 ** 20;
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const name = v.pipe(v.string(), v.nonEmpty());

const PARAMETERS = v.strictObject({
  policies: v.pipe(v.array(name), v.minLength(1)),
  scenarios: v.array(name),
  trace: v.nullable(v.strictObject({ file: name, io: name })),
  cpus: positive,
  runs: positive,
  seconds: amount,
  seed: count,
});

const HISTOGRAMS = v.strictObject({
  waits: v.strictObject(
    Object.fromEntries(WAITED_LOCKS.map((lock) => [lock, v.exactOptional(v.pipe(v.array(count), v.length(WAIT_DECADES)))])),
  ),
  latency: v.strictObject(
    Object.fromEntries(LATENCY_PATHS.map((path) => [path, v.exactOptional(v.array(v.strictTuple([count, positive])))])),
  ),
});

const RUN = v.strictObject({
  policy: name,
  run: count,
  seed: count,
  seconds: amount,
  cpuSeconds: v.nullable(amount),
  othersCores: amount,
  trustworthy: v.boolean(),
  reason: v.exactOptional(name),
  metrics: v.record(name, v.nullable(v.pipe(v.number(), v.finite()))),
  histograms: HISTOGRAMS,
});

const EVENT = v.strictObject({
  cpu: count,
  sequence: positive,
  timeUs: count,
  name,
  args: v.record(v.string(), v.number()),
});

const FILE = v.pipe(
  v.strictObject({
    schema: v.literal(COMPARISON_SCHEMA),
    kind: v.literal('comparison'),
    parameters: PARAMETERS,
    environment: v.strictObject({ node: name, v8: name, platform: name, cpuModel: name, cores: positive, load: amount }),
    scenarios: v.array(
      v.strictObject({
        scenario: name,
        policies: v.array(v.strictObject({ policy: name, runs: v.array(RUN) })),
      }),
    ),
    interrupted: v.boolean(),
    failed: v.nullable(v.array(v.string())),
    timeline: v.exactOptional(v.strictObject({ scenario: name, policy: name, run: count, cpus: v.array(v.array(EVENT)) })),
  }),
  v.check((file) => addsUp(file as unknown as ComparisonFile), 'its parts contradict each other'),
) as unknown as v.GenericSchema<ComparisonFile>;

/** Do its parts fit together? */
const addsUp = ({ parameters, scenarios }: ComparisonFile): boolean =>
  scenarios.every(
    ({ scenario, policies }) =>
      (parameters.trace?.file === scenario || parameters.scenarios.includes(scenario)) &&
      policies.every(({ policy, runs }) => parameters.policies.includes(policy) && runs.every((run) => run.policy === policy)),
  );

const COMPARISON: ResultFileKind<ComparisonFile> = {
  kind: 'comparison',
  schema: COMPARISON_SCHEMA,
  shape: FILE,
  bytesMax: FILE_BYTES_MAX,
  writer: 'a comparison',
  wanted: 'a comparison that can be read',
  remedy: {
    missing: 'name one that faultlab compare --json has written',
    wrong: 'name a file that faultlab compare --json has written',
  },
};

/** @param shown what the user calls it @throws UsageError when it cannot be read, is no such file, or is damaged */
export const readComparisonFile = (path: string, shown: string): Promise<ComparisonFile> => readResultFile(COMPARISON, path, shown);

/** The same for text. @throws UsageError for the first thing that is wrong */
export const parseComparison = (content: string, shown: string): ComparisonFile => parseResultFile(COMPARISON, content, shown);

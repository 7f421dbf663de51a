/**
 * The result file of a soak: what it holds, and how it is read. Whatever is wrong with a file is one sentence.
 * docs/SOAK.md explains every field.
 * Next: soak_run.ts, ../result_file.ts
 */
import { LOCK_CLASSES } from '@faultlab/core/locking/lock_class';
import { CPUS_MAX } from '@faultlab/core/memory/limits';
import { ARCH_ENTRIES } from '@faultlab/core/policy/arch_entries';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { COUNTER_NAMES } from '@faultlab/core/trace/counters';
import * as v from 'valibot';
import { BUCKET_COUNT, LATENCY_PATHS } from '../arena_map.ts';
import type { Environment } from '../environment.ts';
import { STALL_MS_LEAST, STALL_MS_MOST } from '../machine_config.ts';
import { POLICY_RECORD } from '../policy/policy_schema.ts';
import { OP_NAMES } from '../program/op.ts';
import { parseResultFile, type ResultFileKind, readResultFile } from '../result_file.ts';
import { SCENARIOS } from '../scenarios/by_name.ts';
import { type MemoryRecord, SAMPLES_MAX } from './memory_log.ts';
import type { KeptTotals } from './soak_totals.ts';

/** Changes when a reader of old files would misread new ones. */
export const SOAK_SCHEMA = 1;

/** `running`: the process was killed, or has not ended yet. */
export const SOAK_STATES = ['running', 'interrupted', 'finished', 'failed'] as const;
export type SoakState = (typeof SOAK_STATES)[number];

/** What has to be the same when a run goes on. */
export interface SoakParameters {
  /** As it was given: a name, or the path of a module. */
  readonly policy: string;
  /** What that was, so that a module that has changed is noticed. */
  readonly policyRecord: FaultPolicy;
  readonly arch: string;
  readonly scenarios: readonly string[];
  readonly cpus: number;
  readonly seconds: number;
  readonly seed: number;
  readonly verify: boolean;
  /** With --verify deep; absent otherwise. */
  readonly deep?: boolean;
  /** As --stall-ms; absent when it was not given. */
  readonly stallMs?: number;
  /** What was injected, as --inject takes it; absent when nothing was. */
  readonly inject?: string;
}

export interface SoakFailure {
  readonly scenario: string;
  readonly seed: number;
  readonly verdict: 'failure' | 'stall' | 'death';
  /** What broke, what every CPU was doing, and the command that repeats the slice: lines. */
  readonly report: readonly string[];
}

export interface SoakFile {
  readonly schema: typeof SOAK_SCHEMA;
  readonly kind: 'soak';
  readonly state: SoakState;
  readonly startedAt: string;
  readonly writtenAt: string;
  readonly parameters: SoakParameters;
  /** Of the last process. */
  readonly environment: Environment;
  /** Processes that worked on it. */
  readonly sessions: number;
  readonly elapsedMs: number;
  /** Slices that are over, which is how many seeds have been used. */
  readonly slices: number;
  readonly totals: KeptTotals;
  readonly memory: MemoryRecord;
  readonly failed: SoakFailure | null;
}

const FILE_BYTES_MAX = 16 * 2 ** 20;
/** Of a failure's report. */
export const REPORT_LINES_MAX = 400;
export const TEXT_MAX = 4096;
const MS_MAX = 1e13;
const RESULT_LEAST = -4096;
const RESULT_MOST = 15;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const upTo = (most: number) => v.pipe(count, v.maxValue(most));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const milliseconds = v.pipe(v.number(), v.minValue(0), v.maxValue(MS_MAX));
const text = v.pipe(v.string(), v.maxLength(TEXT_MAX));
const time = v.pipe(v.string(), v.isoTimestamp());
const scenarioName = v.picklist(SCENARIOS.map(({ name }) => name));
const counterName = v.picklist(COUNTER_NAMES);

/** A list in which each thing is there once. @param key what they are told apart by */
const distinct = (what: string, item: v.GenericSchema, key: (one: Record<string, unknown>) => unknown) =>
  v.pipe(
    v.array(item),
    v.check((list) => new Set(list.map((one) => key(one as Record<string, unknown>))).size === list.length, `must name each ${what} once`),
  );

const PARAMETERS = v.strictObject({
  policy: v.pipe(text, v.nonEmpty()),
  policyRecord: POLICY_RECORD,
  arch: v.picklist(ARCH_ENTRIES.map(({ name }) => name)),
  scenarios: v.pipe(
    distinct('scenario', scenarioName, (name) => name),
    v.minLength(1),
  ),
  cpus: v.pipe(positive, v.maxValue(CPUS_MAX)),
  seconds: v.pipe(v.number(), v.minValue(0), v.maxValue(MS_MAX)),
  seed: upTo(0xffff_ffff),
  verify: v.boolean(),
  deep: v.optional(v.literal(true)),
  stallMs: v.exactOptional(v.pipe(positive, v.minValue(STALL_MS_LEAST), v.maxValue(STALL_MS_MOST))),
  inject: v.exactOptional(text),
});

const LATENCY = v.strictObject({
  path: v.picklist(LATENCY_PATHS),
  buckets: v.pipe(
    distinct('bucket', v.strictTuple([upTo(BUCKET_COUNT - 1), positive]), (pair) => pair[0]),
    v.maxLength(BUCKET_COUNT),
  ),
});

const LOCK = v.strictObject({
  name: v.picklist(LOCK_CLASSES.map(({ name }) => name)),
  mode: v.picklist(['read', 'write']),
  acquisitions: count,
  contentions: count,
  waitUsTotal: count,
  waitUsMax: count,
});

const SCENARIO = v.strictObject({
  name: scenarioName,
  slices: count,
  wallMs: milliseconds,
  ops: count,
  faults: count,
  unseen: v.array(counterName),
});

const OUTCOME = v.strictObject({
  kind: v.picklist(OP_NAMES),
  result: v.pipe(v.number(), v.integer(), v.minValue(RESULT_LEAST), v.maxValue(RESULT_MOST)),
  count: positive,
});

const TOTALS = v.strictObject({
  wallMs: milliseconds,
  cpuMs: v.nullable(milliseconds),
  opsByCpu: v.array(count),
  counters: v.strictObject(Object.fromEntries(COUNTER_NAMES.map((name) => [name, count]))),
  outcomes: distinct('ending', OUTCOME, ({ kind, result }) => `${kind} ${result}`),
  latency: distinct('path', LATENCY, ({ path }) => path),
  locks: distinct('lock', LOCK, ({ name, mode }) => `${name} ${mode}`),
  scenarios: distinct('scenario', SCENARIO, ({ name }) => name),
});

const MEMORY = v.strictObject({
  everyMinutes: positive,
  samples: v.pipe(v.array(v.strictObject({ elapsedMs: milliseconds, session: positive, rssBytes: count })), v.maxLength(SAMPLES_MAX)),
  afterTwoMinutes: v.nullable(positive),
  last: v.nullable(positive),
  peak: v.nullable(positive),
});

const FILE = v.pipe(
  v.strictObject({
    schema: v.literal(SOAK_SCHEMA),
    kind: v.literal('soak'),
    state: v.picklist(SOAK_STATES),
    startedAt: time,
    writtenAt: time,
    parameters: PARAMETERS,
    environment: v.strictObject({
      node: text,
      v8: text,
      platform: text,
      cpuModel: text,
      cores: positive,
      load: v.pipe(v.number(), v.minValue(0)),
    }),
    sessions: positive,
    elapsedMs: milliseconds,
    slices: count,
    totals: TOTALS,
    memory: MEMORY,
    failed: v.nullable(
      v.strictObject({
        scenario: scenarioName,
        seed: count,
        verdict: v.picklist(['failure', 'stall', 'death']),
        report: v.pipe(v.array(text), v.maxLength(REPORT_LINES_MAX)),
      }),
    ),
  }),
  v.check((file) => addsUp(file as unknown as SoakFile), 'its parts contradict each other'),
) as unknown as v.GenericSchema<SoakFile>;

/** Do its parts fit together? */
const addsUp = ({ totals, parameters, slices, state, failed }: SoakFile): boolean =>
  totals.opsByCpu.length === parameters.cpus &&
  totals.scenarios.reduce((sum, one) => sum + one.slices, 0) === slices &&
  totals.scenarios.every(({ name }) => parameters.scenarios.includes(name)) &&
  (state === 'failed') === (failed !== null);

const REMEDY = 'or start a new run';
const SOAK: ResultFileKind<SoakFile> = {
  kind: 'soak',
  schema: SOAK_SCHEMA,
  shape: FILE,
  bytesMax: FILE_BYTES_MAX,
  writer: 'a soak',
  wanted: 'a result that can be gone on with',
  remedy: {
    missing: `name one that faultlab stress --hours has written, ${REMEDY}`,
    wrong: `name a file that faultlab stress --hours has written, ${REMEDY}`,
  },
};

/**
 * Reads the file of a soak. @param shown what the user calls it
 * @throws UsageError when it cannot be read, is no such file, or is damaged
 */
export const readSoakFile = (path: string, shown: string): Promise<SoakFile> => readResultFile(SOAK, path, shown);

/** The same for text. @throws UsageError for the first thing that is wrong */
export const parseSoakFile = (content: string, shown: string): SoakFile => parseResultFile(SOAK, content, shown);

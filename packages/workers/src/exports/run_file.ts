/**
 * A run as JSON: the shape, its version, and the check of it. docs/EXPORTS.md explains every field.
 * Next: write_exports.ts
 */
import { LOCK_CLASSES } from '@faultlab/core/locking/lock_class';
import { VMSTAT_STATES } from '@faultlab/core/mm/vmstat_state';
import { COUNTER_NAMES } from '@faultlab/core/trace/counters';
import { TRACE_EVENTS } from '@faultlab/core/trace/events';
import * as v from 'valibot';
import { LATENCY_PATHS } from '../arena_map.ts';
import type { Environment } from '../environment.ts';
import { opName } from '../program/op.ts';
import { outcomeName } from '../program/outcome.ts';
import type { RunResult } from '../run_result.ts';
import { traceOf } from './timeline.ts';

/** Changes when a reader of old files would misread new ones. */
export const RUN_FILE_SCHEMA = 1;

export interface RunFile {
  readonly schema: typeof RUN_FILE_SCHEMA;
  readonly kind: 'run';
  readonly verdict: RunResult['verdict'];
  readonly scenario: string | null;
  readonly policy: string;
  readonly cpus: number;
  readonly seed: number;
  readonly wallMs: number;
  readonly cpuMs: number | null;
  readonly ops: number;
  readonly opsByCpu: readonly number[];
  readonly environment: Environment;
  readonly counters: RunResult['counters'];
  readonly states: RunResult['states'];
  readonly outcomes: readonly { readonly operation: string; readonly outcome: string; readonly count: number }[];
  readonly latency: RunResult['latency'];
  readonly locks: RunResult['locks'];
  readonly violations: readonly { readonly id: string; readonly message: string; readonly cpu?: number }[];
  readonly message: string | null;
  readonly cpuTitles: readonly string[];
  readonly trace: RunResult['trace'];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const amount = v.pipe(v.number(), v.minValue(0));
const word = v.pipe(v.number(), v.safeInteger());
const text = v.pipe(v.string(), v.maxLength(100_000));
/** Every name once, and no other: as lists in core name them. */
const named = <Name extends string>(names: readonly Name[]) =>
  v.strictObject(Object.fromEntries(names.map((name) => [name, count])) as Record<Name, typeof count>);

const ENVIRONMENT = v.strictObject({ node: text, v8: text, platform: text, cpuModel: text, cores: count, load: amount });

const LATENCY = v.strictObject({ path: v.picklist(LATENCY_PATHS), timed: count, p50: amount, p99: amount, p999: amount, max: amount });

const LOCK = v.strictObject({
  name: v.picklist(LOCK_CLASSES.map(({ name }) => name)),
  mode: v.picklist(['read', 'write']),
  acquisitions: count,
  contentions: count,
  waitUsTotal: count,
  waitUsMax: count,
});

const EVENT = v.strictObject({
  cpu: count,
  sequence: count,
  timeUs: count,
  name: v.picklist(TRACE_EVENTS.map(({ name }) => name)),
  args: v.record(v.string(), word),
});

const VIOLATION = v.strictObject({ id: text, message: text, cpu: v.exactOptional(count) });

const SHAPE: v.GenericSchema<unknown, RunFile> = v.strictObject({
  schema: v.literal(RUN_FILE_SCHEMA),
  kind: v.literal('run'),
  verdict: v.picklist(['success', 'failure', 'stall', 'death']),
  scenario: v.nullable(text),
  policy: text,
  cpus: count,
  seed: count,
  wallMs: amount,
  cpuMs: v.nullable(amount),
  ops: count,
  opsByCpu: v.array(count),
  environment: ENVIRONMENT,
  counters: named(COUNTER_NAMES),
  states: named(VMSTAT_STATES),
  outcomes: v.array(v.strictObject({ operation: text, outcome: text, count })),
  latency: v.array(LATENCY),
  locks: v.array(LOCK),
  violations: v.array(VIOLATION),
  message: v.nullable(text),
  cpuTitles: v.array(text),
  trace: v.array(v.array(EVENT)),
});

/** The file that the text is, or what is wrong with it and where. */
export function readRunFile(text: string): { readonly file: RunFile } | { readonly problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: `it is no JSON (${(error as Error).message})` };
  }
  const { success, issues, output } = v.safeParse(SHAPE, value);
  if (success) return { file: output };
  const [first] = issues;
  return { problem: `${v.getDotPath(first) ?? 'the whole of it'}: ${first.message}` };
}

/** @param scenario null: no scenario's run */
export function runFileOf(result: RunResult, scenario: string | null): RunFile {
  const { verdict, policy, cpus, seed, wallMs, ops, opsByCpu, environment, counters, states, latency, locks, violations, cpuTitles } =
    result;
  return {
    schema: RUN_FILE_SCHEMA,
    kind: 'run',
    verdict,
    scenario,
    policy,
    cpus,
    seed,
    wallMs,
    cpuMs: result.cpuMs ?? null,
    ops,
    opsByCpu: [...opsByCpu],
    environment,
    counters: { ...counters },
    states: { ...states },
    outcomes: result.outcomes.map(({ kind, ...outcome }) => ({
      operation: opName(kind),
      outcome: outcomeName(kind, outcome.result),
      count: outcome.count,
    })),
    latency: [...latency],
    locks: [...locks],
    violations: violations.map(({ id, message, cpu }) => (cpu === undefined ? { id, message } : { id, message, cpu })),
    message: result.postMortem?.message ?? null,
    cpuTitles: [...cpuTitles],
    trace: traceOf(result).map((events) => events.map((event) => ({ ...event, args: { ...event.args } }))),
  };
}

/**
 * Runs scripts, each on a fresh machine, and compares what the model did with what a kernel did.
 * Next: run_script.ts, compare.ts
 */
import { StallError } from '@faultlab/core/base/errors';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { addCounters, type Counters } from '../deltas.ts';
import { injectedLine } from '../inject/apply.ts';
import { type Injection, injectText } from '../inject/injections.ts';
import { compareOperation } from './compare.ts';
import type { ConformResult, Difference, Explored, ScriptResult } from './conform_result.ts';
import type { LoadedScript } from './find_scripts.ts';
import { isSetUp } from './operations/by_name.ts';
import type { ScriptLine } from './parse_script.ts';
import type { KernelRecord, Observation } from './record.ts';
import { runScript, type ScriptRun } from './run_script.ts';

/** What is to go wrong in every script, and what it is drawn from. */
export interface ConformInjected {
  readonly inject: readonly Injection[];
  readonly seed: number;
}

const CALM: ConformInjected = { inject: [], seed: 1 };
/** Why operations were not compared. */
export const DISTURBED = 'operations from the first injection of their script on';

/** The result for all scripts, in their order. */
export function conform(scripts: readonly LoadedScript[], policy: FaultPolicy, injected: ConformInjected = CALM): ConformResult {
  const results: ScriptResult[] = [];
  const differences: Difference[] = [];
  let counters: Counters | undefined;
  for (const [index, script] of scripts.entries()) {
    // Each script meets draws of its own.
    const run = runInjected(script, policy, { ...injected, seed: injected.seed + index });
    counters = counters === undefined ? run.counters : addCounters(counters, run.counters);
    results.push(script.records === undefined ? exploredResult(script, run) : comparedResult(script, script.records, run, differences));
  }
  const { inject, seed } = injected;
  const counts = counters === undefined ? undefined : injectedLine(inject, counters);
  const trouble = counts === undefined ? {} : { inject: { spec: injectText(inject), seed, counts } };
  return { policy: policy.name, scripts: results, differences, ...trouble };
}

/** @throws StallError naming the script, when an injection stopped it for ever */
function runInjected({ name, lines }: LoadedScript, policy: FaultPolicy, { inject, seed }: ConformInjected): ScriptRun {
  try {
    return runScript(lines, policy, inject, seed);
  } catch (error) {
    throw error instanceof StallError ? new StallError(`${name}: ${error.message}`) : error;
  }
}

function common({ name, lines }: LoadedScript, { seen, notModelled, cut, broken }: ScriptRun) {
  return { name, run: seen.length, notModelled: notModelled ?? null, notRun: cut ? 0 : lines.length - seen.length, broken };
}

function exploredResult(script: LoadedScript, run: ScriptRun): ScriptResult {
  const explored = run.seen.map((observation, op): Explored => {
    const { line, space, text } = script.lines[op] as ScriptLine;
    return { line, space, operation: text, ...observation };
  });
  return { ...common(script, run), recorded: false, same: 0, different: 0, leftOut: {}, explored };
}

/** Adds what differs to `differences`. */
function comparedResult(script: LoadedScript, records: readonly KernelRecord[], run: ScriptRun, differences: Difference[]): ScriptResult {
  const leftOut: Record<string, number> = {};
  let different = 0;
  const { calm = run.seen.length } = run;
  const disturbed = run.seen.length - calm + (run.cut ? script.lines.length - run.seen.length : 0);
  if (disturbed > 0) leftOut[DISTURBED] = disturbed;
  run.seen.slice(0, calm).forEach((got, op) => {
    const line = script.lines[op] as ScriptLine;
    const recorded = records[op] as KernelRecord;
    const comparison = compareOperation(recorded, got, isSetUp(line.operation));
    for (const [reason, parts] of comparison.leftOut) leftOut[reason] = (leftOut[reason] ?? 0) + parts;
    if (comparison.differs.length === 0) return;
    different++;
    differences.push({
      script: script.name,
      line: line.line,
      op,
      space: line.space,
      operation: line.text,
      differs: comparison.differs,
      expected: observationOf(recorded),
      got,
    });
  });
  return { ...common(script, run), recorded: true, same: calm - different, different, leftOut, explored: [] };
}

const observationOf = ({ result, minflt, majflt, vmas, events }: KernelRecord): Observation => ({ result, minflt, majflt, vmas, events });

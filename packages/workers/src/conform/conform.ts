/**
 * Runs scripts, each on a fresh machine, and compares what the model did with what a kernel did.
 * Next: run_script.ts, compare.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { compareOperation } from './compare.ts';
import type { ConformResult, Difference, Explored, ScriptResult } from './conform_result.ts';
import type { LoadedScript } from './find_scripts.ts';
import { isSetUp } from './operations/by_name.ts';
import type { ScriptLine } from './parse_script.ts';
import type { KernelRecord, Observation } from './record.ts';
import { runScript, type ScriptRun } from './run_script.ts';

/** The result for all scripts, in their order. */
export function conform(scripts: readonly LoadedScript[], policy: FaultPolicy): ConformResult {
  const results: ScriptResult[] = [];
  const differences: Difference[] = [];
  for (const script of scripts) {
    const run = runScript(script.lines, policy);
    results.push(script.records === undefined ? exploredResult(script, run) : comparedResult(script, script.records, run, differences));
  }
  return { policy: policy.name, scripts: results, differences };
}

function common({ name, lines }: LoadedScript, { seen, notModelled, broken }: ScriptRun) {
  return { name, run: seen.length, notModelled: notModelled ?? null, notRun: lines.length - seen.length, broken };
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
  run.seen.forEach((got, op) => {
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
  return { ...common(script, run), recorded: true, same: run.seen.length - different, different, leftOut, explored: [] };
}

const observationOf = ({ result, minflt, majflt, vmas, events }: KernelRecord): Observation => ({ result, minflt, majflt, vmas, events });

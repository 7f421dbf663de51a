/**
 * One scenario under several policies: runs in turn (A B C, A B C, ...), so that what the host does meanwhile meets all of them, each on a fresh machine
 * with the same seed.
 * Next: measured.ts, report/compare_report.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { othersWatch } from '../environment.ts';
import { bootMachine } from '../machine.ts';
import { runScenarioOn, type ScenarioResult } from '../run_scenario.ts';
import type { Scenario } from '../scenario.ts';
import { machineFor } from '../scenario_machine.ts';
import { type Measured, measure } from './measured.ts';

export interface CompareOptions {
  readonly scenario: Scenario;
  readonly policies: readonly FaultPolicy[];
  /** Of each policy. */
  readonly runs: number;
  /** Of each run. */
  readonly seconds: number;
  readonly cpus: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Called before each run. */
  readonly onRun?: (policy: string, run: number) => void;
}

export interface PolicyRuns {
  readonly policy: string;
  readonly runs: readonly Measured[];
}

export interface Comparison {
  /** In the order of the policies; those that ran at least once. */
  readonly policies: readonly PolicyRuns[];
  /** The run that went wrong and ended the comparison. */
  readonly failed: ScenarioResult | undefined;
  readonly interrupted: boolean;
  /** Cores of the host that other programs had, on average. */
  readonly othersCores: number;
}

/** @throws UsageError for a bad option */
export async function runCompare(options: CompareOptions): Promise<Comparison> {
  const { policies, runs, signal } = options;
  const measured = policies.map(({ name }) => ({ policy: name, runs: [] as Measured[] }));
  const others = othersWatch();
  const aborted = (): boolean => signal?.aborted === true;
  let failed: ScenarioResult | undefined;
  for (let run = 0; run < runs && failed === undefined; run++) {
    for (const [place, policy] of policies.entries()) {
      if (aborted() || failed !== undefined) break;
      options.onRun?.(policy.name, run);
      const one = await runOnce(options, policy);
      if (one.result.verdict !== 'success') failed = one.result;
      else if (!aborted()) measured[place]?.runs.push(one.measured);
    }
  }
  return { policies: measured.filter((each) => each.runs.length > 0), failed, interrupted: aborted(), othersCores: others() };
}

async function runOnce(options: CompareOptions, policy: FaultPolicy): Promise<{ result: ScenarioResult; measured: Measured }> {
  const { scenario, seconds, cpus, seed, signal } = options;
  await using machine = await bootMachine({ policy, cpus, seed, ...machineFor([scenario]) });
  const result = await runScenarioOn(machine, scenario, { seconds, ...(signal === undefined ? {} : { signal }) });
  return { result, measured: measure(result, machine) };
}

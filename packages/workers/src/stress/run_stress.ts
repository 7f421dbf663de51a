/**
 * A stress run: scenarios in turn, in slices, on one machine, until the time is up or something breaks. The machine's memory is used on
 * and on, so that what a scenario leaves behind meets the next one.
 * Next: stress_totals.ts
 */

import { readLockStat } from '@faultlab/core/locking/lock_stat';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { othersWatch } from '../environment.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { runScenarioOn, type ScenarioResult } from '../run_scenario.ts';
import type { Scenario } from '../scenario.ts';
import { devicesFor } from '../scenario_machine.ts';
import { StressTotals } from './stress_totals.ts';

export interface StressOptions {
  readonly policy: string | FaultPolicy;
  /** Architecture of the fault entry; `x86` when not given. */
  readonly arch?: string;
  readonly scenarios: readonly Scenario[];
  readonly cpus: number;
  readonly seconds: number;
  readonly seed: number;
  readonly verify: boolean;
  readonly signal?: AbortSignal;
  /** Called when a slice begins, and with the machine, whose counters may be read while it runs. */
  readonly onSlice?: (slice: { readonly scenario: string; readonly machine: Machine }) => void;
  readonly onSliceEnd?: (result: ScenarioResult) => void;
}

export interface StressOutcome {
  readonly totals: StressTotals;
  /** The slice that went wrong; the run ended with it. */
  readonly failed: ScenarioResult | undefined;
  readonly interrupted: boolean;
  /** From the first slice to the last, pauses included. */
  readonly elapsedMs: number;
  /** Cores that other programs used meanwhile. */
  readonly othersCores: number;
}

const SLICE_SECONDS_MIN = 0.25;
const SLICE_SECONDS_MAX = 3;

/** The seed of a slice; that of the first is the seed of the run, so that one scenario with one seed can be repeated. */
export const sliceSeed = (seed: number, slice: number): number => (seed + Math.imul(slice, 0x9e3779b1)) >>> 0;

/** @throws UsageError for a bad option */
export async function runStress(options: StressOptions): Promise<StressOutcome> {
  const { policy, arch = 'x86', cpus, seed, verify, scenarios, seconds } = options;
  await using machine = await bootMachine({ policy, arch, cpus, seed, verify, devices: devicesFor(scenarios) });
  const totals = new StressTotals(cpus);
  const startedMs = performance.now();
  const others = othersWatch();
  const leftSeconds = (): number => seconds - (performance.now() - startedMs) / 1000;
  const share = Math.min(Math.max(seconds / scenarios.length, SLICE_SECONDS_MIN), SLICE_SECONDS_MAX);
  let failed: ScenarioResult | undefined;
  for (let slice = 0; failed === undefined && !isAborted(options) && leftSeconds() > 0.05; slice++) {
    const scenario = scenarios[slice % scenarios.length] as Scenario;
    options.onSlice?.({ scenario: scenario.name, machine });
    const result = await runScenarioOn(machine, scenario, {
      seconds: Math.min(share, leftSeconds()),
      seed: sliceSeed(seed, slice),
      latency: totals.latency,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    totals.add(result);
    options.onSliceEnd?.(result);
    if (result.verdict !== 'success') failed = result;
  }
  totals.locks = readLockStat(machine.memory);
  return { totals, failed, interrupted: isAborted(options), elapsedMs: performance.now() - startedMs, othersCores: others() };
}

const isAborted = (options: StressOptions): boolean => options.signal?.aborted === true;

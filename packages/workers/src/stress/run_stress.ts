/**
 * A stress run: scenarios in turn, in slices, on one machine, until the time is up or something breaks. The machine's memory is used on
 * and on, so that what a scenario leaves behind meets the next one.
 * Next: stress_totals.ts
 */

import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { othersWatch } from '../environment.ts';
import { checkInject } from '../inject/apply.ts';
import type { Injection } from '../inject/injections.ts';
import { bootMachine, type Machine } from '../machine.ts';
import { runScenarioOn, type ScenarioResult } from '../run_scenario.ts';
import type { Scenario } from '../scenario.ts';
import { machineFor } from '../scenario_machine.ts';
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
  /** Slices as short as can be: after each of them everybody stops, and all is swept. */
  readonly deep?: boolean;
  readonly inject?: readonly Injection[];
  /** Keep the last events of the CPUs of every slice, for `lastSlice`. */
  readonly keepTrace?: boolean;
  /** A CPU that makes no progress for so many milliseconds has stalled. */
  readonly stallMs?: number;
  readonly signal?: AbortSignal;
  /** Called before a slice begins, and with the machine, whose counters may be read while it runs; the slice waits for what it returns. */
  readonly onSlice?: (slice: { readonly scenario: string; readonly machine: Machine }) => void | Promise<void>;
  /** Called with the sums so far after every slice; the next one begins when what it returns has settled. */
  readonly onSliceEnd?: (result: ScenarioResult, soFar: StressSoFar) => void | Promise<void>;
  /** Where an earlier process stopped; the run goes on with the next seed, and its sums are added to. */
  readonly from?: StressSoFar;
}

/** A run between two slices. */
export interface StressSoFar {
  readonly totals: StressTotals;
  /** Slices that are over, which is how many seeds have been used. */
  readonly slices: number;
  /** From the first slice to the last, pauses included; of all processes together. */
  readonly elapsedMs: number;
}

export interface StressOutcome extends StressSoFar {
  /** The slice that went wrong; the run ended with it. */
  readonly failed: ScenarioResult | undefined;
  readonly interrupted: boolean;
  /** Undefined when there was no time for any. */
  readonly lastSlice: ScenarioResult | undefined;
  /** Cores that other programs used meanwhile. */
  readonly othersCores: number;
}

const SLICE_SECONDS_MIN = 0.25;
const SLICE_SECONDS_MAX = 3;
/** Events of each CPU that are there at the end of a slice, where they are to be kept. */
const KEPT_EVENTS = 2048;
/** A run with less time left is over. */
export const LEFT_SECONDS_MIN = 0.05;

/** The seed of a slice; that of the first is the seed of the run, so that one scenario with one seed can be repeated. */
export const sliceSeed = (seed: number, slice: number): number => (seed + Math.imul(slice, 0x9e3779b1)) >>> 0;

/** @throws UsageError for a bad option */
export async function runStress(options: StressOptions): Promise<StressOutcome> {
  const { policy, arch = 'x86', cpus, seed, verify, scenarios, seconds, inject = [], stallMs } = options;
  checkInject(inject, cpus, machineFor(scenarios).background);
  await using machine = await bootMachine({
    policy,
    arch,
    cpus,
    seed,
    verify,
    ...machineFor(scenarios),
    inject,
    ...(options.keepTrace === true ? { size: { traceEntries: KEPT_EVENTS } } : {}),
    ...(stallMs === undefined ? {} : { stallMs }),
  });
  const {
    totals,
    slices: slicesBefore,
    elapsedMs: earlierMs,
  } = options.from ?? { totals: new StressTotals(cpus), slices: 0, elapsedMs: 0 };
  const startedMs = performance.now();
  const others = othersWatch();
  const elapsedMs = (): number => earlierMs + performance.now() - startedMs;
  const leftSeconds = (): number => seconds - elapsedMs() / 1000;
  const longest = options.deep === true ? SLICE_SECONDS_MIN : SLICE_SECONDS_MAX;
  const share = Math.min(Math.max(seconds / scenarios.length, SLICE_SECONDS_MIN), longest);
  let failed: ScenarioResult | undefined;
  let lastSlice: ScenarioResult | undefined;
  let slice = slicesBefore;
  for (; failed === undefined && !isAborted(options) && leftSeconds() > LEFT_SECONDS_MIN; slice++) {
    const scenario = scenarios[slice % scenarios.length] as Scenario;
    await options.onSlice?.({ scenario: scenario.name, machine });
    const result = await runScenarioOn(machine, scenario, {
      seconds: Math.min(share, leftSeconds()),
      seed: sliceSeed(seed, slice),
      latency: totals.latency,
      inject,
      ...(options.keepTrace === undefined ? {} : { keepTrace: options.keepTrace }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    lastSlice = result;
    totals.add(result);
    if (result.verdict !== 'success') failed = result;
    await options.onSliceEnd?.(result, { totals, slices: slice + 1, elapsedMs: elapsedMs() });
  }
  return { totals, failed, slices: slice, interrupted: isAborted(options), lastSlice, elapsedMs: elapsedMs(), othersCores: others() };
}

const isAborted = (options: StressOptions): boolean => options.signal?.aborted === true;

/**
 * What a stress run and a soak have in common on the command line: their options, what these stand for, and the end of a run.
 * Next: stress.ts, soak.ts
 */
import { randomInt } from 'node:crypto';
import { UsageError } from '@faultlab/core/base/errors';
import { archByName } from '@faultlab/core/policy/arch_entries';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { environment } from '../environment.ts';
import { checkInject } from '../inject/apply.ts';
import { type Injection, injectText } from '../inject/injections.ts';
import { loadPolicy } from '../policy/load_policy.ts';
import { RESULT_SCHEMA, type RunResult } from '../run_result.ts';
import type { Scenario } from '../scenario.ts';
import { machineFor } from '../scenario_machine.ts';
import { STRESS_MIX } from '../scenarios/by_name.ts';
import type { StressOutcome } from '../stress/run_stress.ts';
import { faultsOf } from '../stress/stress_totals.ts';
import { EXIT_BAD, EXIT_GOOD, EXIT_INTERRUPTED, EXIT_STALL, userPath } from './command.ts';
import type { HuntFlags } from './hunt_flags.ts';

export interface StressFlags extends HuntFlags {
  readonly policy: string;
  readonly arch: string;
  readonly scenario: readonly Scenario[] | undefined;
  readonly cpus: number;
  readonly seconds: number;
  readonly seed: number | undefined;
  readonly verify: boolean | 'deep';
  readonly stallMs: number | undefined;
  readonly inject: readonly Injection[] | undefined;
  readonly json: string | undefined;
  readonly export: string | undefined;
  readonly hours: number | undefined;
  readonly result: string | undefined;
  readonly resume: string | undefined;
  readonly checkpoint: number | undefined;
}

export interface StressParameters {
  readonly policy: string;
  readonly arch: string;
  readonly scenarios: readonly Scenario[];
  readonly cpus: number;
  readonly seconds: number;
  readonly seed: number;
  readonly verify: boolean;
  /** Short slices, with all sweeps after each; absent when that was not asked for. */
  readonly deep?: boolean;
  /** Absent: as the machine decides. */
  readonly stallMs?: number;
  readonly inject: readonly Injection[];
}

/** Every choice made. @throws UsageError for options that do not go together */
export async function parametersOf(flags: StressFlags): Promise<{ readonly parameters: StressParameters; readonly policy: FaultPolicy }> {
  const policy = await loadPolicy(flags.policy, userPath);
  const parameters = {
    policy: flags.policy,
    arch: archByName(flags.arch).name,
    scenarios: flags.scenario ?? STRESS_MIX.filter(({ cpusMin = 1 }) => cpusMin <= flags.cpus),
    cpus: flags.cpus,
    seconds: flags.seconds,
    seed: flags.seed ?? randomInt(2 ** 31),
    verify: flags.verify !== false,
    ...(flags.verify === 'deep' ? { deep: true } : {}),
    ...(flags.stallMs === undefined ? {} : { stallMs: flags.stallMs }),
    inject: flags.inject ?? [],
  };
  checkInject(parameters.inject, parameters.cpus, machineFor(parameters.scenarios).background);
  const tooFew = parameters.scenarios.find(({ cpusMin = 1 }) => cpusMin > flags.cpus);
  if (tooFew !== undefined) {
    throw new UsageError(
      `Scenario ${tooFew.name} needs ${tooFew.cpusMin} CPUs, but --cpus is ${flags.cpus}; raise it, or leave that scenario out.`,
    );
  }
  return { parameters, policy };
}

export function exitCodeOf({ failed, interrupted }: StressOutcome): number {
  if (failed !== undefined) return failed.verdict === 'stall' ? EXIT_STALL : EXIT_BAD;
  return interrupted ? EXIT_INTERRUPTED : EXIT_GOOD;
}

/** What --export writes: the sums of the whole run, with the events of its last slice. Undefined: no slice has run. */
export function runOfStress({ totals, lastSlice }: StressOutcome): RunResult | undefined {
  if (lastSlice === undefined) return undefined;
  const { counters, outcomes, locks, lockOrder, opsByCpu, wallMs, cpuMs, states = lastSlice.states } = totals;
  const ops = opsByCpu.reduce((sum, each) => sum + each, 0);
  return { ...lastSlice, counters, states, outcomes, locks, lockOrder, ops, opsByCpu, wallMs, cpuMs, latency: totals.latency.summaries() };
}

/** What --json writes. */
export function stressJson(parameters: StressParameters, outcome: StressOutcome, host: ReturnType<typeof environment>): unknown {
  const { totals, failed, interrupted, elapsedMs, othersCores } = outcome;
  return {
    schema: RESULT_SCHEMA,
    kind: 'stress',
    verdict: failed?.verdict ?? 'success',
    interrupted,
    parameters: { ...parameters, scenarios: parameters.scenarios.map((scenario) => scenario.name), inject: injectText(parameters.inject) },
    environment: host,
    elapsedMs,
    othersCores,
    wallMs: totals.wallMs,
    cpuMs: totals.cpuMs,
    faults: faultsOf(totals.counters),
    opsByCpu: totals.opsByCpu,
    fairness: totals.fairness,
    scenarios: totals.scenarios,
    counters: totals.counters,
    outcomes: totals.outcomes,
    latency: totals.latency.summaries(),
    locks: totals.locks,
    failed,
  };
}

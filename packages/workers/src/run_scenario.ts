/**
 * Runs one scenario, on a machine of its own or on a given one, and says whether it went as its story demands.
 * Next: run_programs.ts
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { CounterName } from '@faultlab/core/trace/counters';
import type { Injection } from './inject/injections.ts';
import type { LatencyTotals } from './latency_totals.ts';
import { bootMachine, type Machine } from './machine.ts';
import type { MachineOptions } from './machine_config.ts';
import { runPrograms } from './run_programs.ts';
import type { RunResult } from './run_result.ts';
import type { Scenario } from './scenario.ts';
import { devicesOf, machineFor } from './scenario_machine.ts';
import { scenarioByName } from './scenarios/by_name.ts';

export interface ScenarioOptions extends MachineOptions {
  /** How long. Two seconds when neither this nor `count` is given. */
  readonly seconds?: number;
  /** Operations of each CPU, instead of a time. */
  readonly count?: number;
  readonly signal?: AbortSignal;
}

export interface ScenarioResult extends RunResult {
  readonly scenario: string;
  /** Did it end as it has to? A scenario that is wrong on purpose is as expected when it fails for its own reason. */
  readonly asExpected: boolean;
  /** Events that the story cannot be without, and that did not happen. Short runs may miss some. */
  readonly unseen: readonly CounterName[];
}

const SECONDS_DEFAULT = 2;

/** Boots a machine, runs the scenario on it, and ends the machine. @throws UsageError for a bad option */
export async function runScenario(scenario: string | Scenario, options: ScenarioOptions = {}): Promise<ScenarioResult> {
  const chosen = typeof scenario === 'string' ? scenarioByName(scenario) : scenario;
  const { seconds, count, signal, ...machineOptions } = options;
  const { inject } = options;
  const needed = machineFor([chosen]);
  await using machine = await bootMachine({
    ...machineOptions,
    devices: [...(machineOptions.devices ?? []), ...needed.devices],
    background: [...(machineOptions.background ?? []), ...needed.background],
    sysctl: { ...needed.sysctl, ...machineOptions.sysctl },
  });
  return await runScenarioOn(machine, chosen, {
    ...(count === undefined ? { seconds: seconds ?? SECONDS_DEFAULT } : { count }),
    ...(signal === undefined ? {} : { signal }),
    ...(inject === undefined ? {} : { inject }),
  });
}

export interface ScenarioRun {
  readonly seconds?: number;
  readonly count?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly latency?: LatencyTotals;
  readonly inject?: readonly Injection[];
  /** Give the last events of each CPU back also when all went well. */
  readonly keepTrace?: boolean;
}

/** The same on a machine that the caller owns. After a success the machine can run the next one. */
export async function runScenarioOn(machine: Machine, scenario: Scenario, run: ScenarioRun): Promise<ScenarioResult> {
  const { count, ...rest } = run;
  const { cpus, size } = machine.config;
  const shape = { cpus, frames: size.frames, seed: run.seed ?? machine.config.seed };
  const devices = devicesOf(scenario, machine.config);
  const { sysctl, memcgs = [] } = scenario;
  const result = await runPrograms(machine, {
    ...rest,
    swaps: (scenario.swaps ?? []).map((swap) => ({ ...swap, device: devices[swap.device] as number })),
    files: (scenario.files?.(shape) ?? []).map((file) =>
      file.device === undefined ? file : { ...file, device: devices[file.device] as number },
    ),
    ...(sysctl === undefined ? {} : { sysctl: typeof sysctl === 'function' ? sysctl(shape) : sysctl }),
    memcgs: typeof memcgs === 'function' ? memcgs(shape) : memcgs,
    setup: scenario.setup(shape),
    program: (cpu) => ({ ...scenario.program(cpu, shape), ...(count === undefined ? {} : { count }) }),
  });
  return {
    ...result,
    scenario: scenario.name,
    asExpected: isAsExpected(scenario, result),
    unseen: scenario.mustSee.filter((name) => result.counters[name] === 0 && canHappen(name, machine.config.policy)),
  };
}

/** Events that some policies do not have. */
const NEEDS: Partial<Record<CounterName, (policy: FaultPolicy) => boolean>> = {
  lock_dropped_for_io: ({ fileWait, anonWait }) => [fileWait, anonWait].some((wait) => wait === 'retry' || wait === 'retry-vma'),
  reacquired: ({ fileWait }) => fileWait === 'reacquire',
  faults_retried_vma: ({ fileWait }) => fileWait === 'retry-vma',
};

/** A policy without per-area locks never write-locks an area. */
const canHappen = (name: CounterName, policy: FaultPolicy): boolean =>
  (policy.vmaLock !== 'none' || !name.startsWith('vma_write')) && NEEDS[name]?.(policy) !== false;

function isAsExpected(scenario: Scenario, result: RunResult): boolean {
  if (scenario.mustFail === undefined) return result.verdict === 'success';
  return result.verdict === 'failure' && result.violations.every((violation) => violation.id === scenario.mustFail);
}

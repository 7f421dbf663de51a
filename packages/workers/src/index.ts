/**
 * The library: boot a machine, run a scenario or programs of your own, get plain data back.
 *
 *   const result = await runScenario('munmap_storm', { cpus: 4, seconds: 2 });
 *   console.log(result.verdict, result.counters.vma_lock_success);
 *
 *   await using machine = await bootMachine({ cpus: 2, policy: 'linux-6.4' });
 *   const result = await runPrograms(machine, { setup: [...], program: (cpu) => ({ ... }) });
 *
 * Next: machine.ts, run_scenario.ts, program/program.ts
 */
export { InvariantError, StallError, UsageError } from '@faultlab/core/base/errors';
export type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
export { POLICIES as policies } from '@faultlab/core/policy/policies';
export type { DeviceOptions } from './device/device_options.ts';
export { CpuError } from './errors.ts';
export { bootMachine, type Machine } from './machine.ts';
export type { MachineConfig, MachineOptions } from './machine_config.ts';
export { type Backing, describeOp, type Op, type OpName, op } from './program/op.ts';
export type { DrawRule, FileUse, Ownership, Program, Region } from './program/program.ts';
export type { ReplayResult } from './replay/replay_result.ts';
export { type ReplayOptions, replayTrace } from './replay/replay_trace.ts';
export type { FinishedRun, MachineRun } from './run_in_progress.ts';
export { type ProgramsRun, runPrograms } from './run_programs.ts';
export type { PostMortem, RunResult, RunViolation, Verdict } from './run_result.ts';
export { runScenario, runScenarioOn, type ScenarioOptions, type ScenarioResult } from './run_scenario.ts';
export type { Scenario, ScenarioNeeds, ScenarioShape } from './scenario.ts';
export { devicesFor, machineFor } from './scenario_machine.ts';
export { SCENARIOS as scenarios, scenarioByName } from './scenarios/by_name.ts';
export { runStress, type StressOptions, type StressOutcome } from './stress/run_stress.ts';
export type { SwapOptions } from './swap_options.ts';
export type { ExclusiveLock, LockAdapter, ReadWriteLock, TortureThread } from './torture/adapter.ts';
export { type TortureOptions, type TortureResult, tortureLock } from './torture/torture_lock.ts';
export { tortureReport, tortureVerdict } from './torture/torture_report.ts';
export type { CpuReport, Work, WorkContext } from './work.ts';

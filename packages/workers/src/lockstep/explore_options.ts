/**
 * What an exploration can be told, and what comes of it.
 * Next: explore.ts
 */
import type { MachineSize } from '@faultlab/core/memory/limits';
import type { FileSpec } from '@faultlab/core/mm/address_space';
import type { VmSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { KthreadName } from '@faultlab/core/sched/kthread';
import type { DeviceOptions } from '../device/device_options.ts';
import type { Op } from '../program/op.ts';
import type { Program } from '../program/program.ts';
import type { RunResult } from '../run_result.ts';
import type { Scenario } from '../scenario.ts';
import type { SwapOptions } from '../swap_options.ts';
import type { Anchor } from './anchors.ts';
import type { Choices } from './choices.ts';
import type { LaneStep } from './lane_step.ts';
import type { ExplorationTimes, Finding } from './lockstep_order.ts';
import type { ProgramCuts } from './program_cuts.ts';

/** Programs of one's own, in place of a scenario. */
export interface ExploredPrograms {
  readonly setup: readonly Op[];
  /** What CPU `cpu` does; each with a `count`, helpers aside. */
  readonly program: (cpu: number) => Program;
  readonly files?: readonly FileSpec[];
  readonly devices?: readonly DeviceOptions[];
  readonly swaps?: readonly SwapOptions[];
  readonly background?: readonly KthreadName[];
  readonly sysctl?: Partial<VmSysctl>;
}

export interface ExploreOptions {
  /** Its name, or one of your own. */
  readonly scenario?: string | Scenario;
  readonly programs?: ExploredPrograms;
  /** Program CPUs; 3 when not given. Devices come on top. */
  readonly cpus?: number;
  /** Operations of each CPU; 6 when not given. Only for scenarios. */
  readonly count?: number;
  readonly policy?: string | FaultPolicy;
  readonly arch?: string | ArchEntry;
  /** `pct`, `random`, `pos`, `dfs`, `exhaustive` or `rr`. `pct` when not given. */
  readonly strategy?: string;
  /** Of pct: 3 when not given. */
  readonly depth?: number;
  /** Of dfs: most preemptions of a schedule; 2 when not given. */
  readonly bound?: number;
  /** Instead of a strategy. */
  readonly choices?: Choices;
  /** At most so many; 1000 when not given. */
  readonly schedules?: number;
  readonly seed?: number;
  /** All schedules have the programs of this seed; when not given, each has others. */
  readonly programSeed?: number;
  readonly verify?: boolean;
  /** A real bug that the machine is to have, by its id (`faultlab list mutants`). */
  readonly mutant?: string;
  /** Go on after a failure and count them. */
  readonly all?: boolean;
  readonly size?: Partial<Omit<MachineSize, 'cpus'>>;
  readonly tickUs?: number;
  /** Operations without progress that are called a livelock. */
  readonly stillMax?: number;
  readonly stallMs?: number;
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Look for accesses that nothing orders, although nothing went wrong (races/race_detector.ts). */
  readonly races?: boolean;
  /** Sweep also within schedules, whenever everybody is between two operations (rest_sweep.ts). */
  readonly deep?: boolean;
  /** What goes wrong on request, as --inject takes it (docs/INJECTION.md). */
  readonly inject?: string;
  /** Instead of a strategy: a schedule as near to these choices as the programs allow. */
  readonly anchors?: readonly Anchor[];
  /** What shrinking has left of the programs and the layout; all of it when not given. */
  readonly cuts?: ProgramCuts;
  /** Report every step of the last schedule. */
  readonly lanes?: boolean;
}

/** A schedule that failed, and how to have it again. */
export interface ExploreFailure {
  /** Id of the invariant, or `deadlock`, `livelock`, `hang`, or `threw`. */
  readonly invariant: string;
  readonly message: string;
  readonly schedule: number;
  readonly seed: number;
  readonly programSeed: number;
  readonly steps: number;
  /** Of all operations in their order. */
  readonly hash: number;
  readonly choices: Choices;
  readonly findings: readonly Finding[];
  /** The same choices by where they were made. */
  readonly anchors: readonly Anchor[];
  /** Operations of its program that each CPU had finished. */
  readonly ops: readonly number[];
  /** For `faultlab again`; undefined for programs that have no name. */
  readonly again: string | undefined;
}

export interface ExploreResult {
  readonly schedules: number;
  readonly failing: number;
  readonly first: ExploreFailure | undefined;
  readonly failures: readonly ExploreFailure[];
  /** Every schedule that there is was seen. */
  readonly exhausted: boolean;
  readonly covered: string;
  /** Operations of all schedules, and a hash of all of them. */
  readonly steps: number;
  readonly hash: number;
  readonly wallMs: number;
  /** Where they went. */
  readonly times: ExplorationTimes;
  /** Choices of a replay that did not fit. */
  readonly diverged: number;
  /** Steps of the last schedule, when they were asked for. */
  readonly lanes: readonly LaneStep[];
  /** The machine when the first failure was found, as the result of a run; with the steps. */
  readonly evidence: RunResult | undefined;
  /** A CPU hung, so that the machine is lost. */
  readonly hung: boolean;
}

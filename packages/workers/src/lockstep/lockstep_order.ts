/**
 * What the threads of an exploration are told, and what they answer: plain data, apart from the board, which they share.
 * Next: lockstep_work.ts
 */
import type { Violation } from '@faultlab/core/invariants/sweep';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { InjectionPlan } from '@faultlab/core/trace/injector';
import type { WorkContext } from '../work.ts';
import type { Anchor } from './anchors.ts';
import type { Board } from './board.ts';
import type { Choices } from './choices.ts';
import type { Evidence } from './evidence.ts';
import type { Finding } from './finding.ts';
import type { LaneStep } from './lane_step.ts';
import type { Access } from './races/race_detector.ts';
import type { StrategyPlan } from './strategy_plan.ts';

export type { Finding } from './finding.ts';

/** `program`: its end is awaited. `helper`: the same, but its progress is not the others'. `server`: ends with the others, wherever it is. */
export type Role = 'program' | 'helper' | 'server';

/** A module whose default export is called in every schedule, and what it is given. */
export interface Called {
  readonly module: string;
  readonly data: unknown;
}

/** A Work that does not return a promise: nobody else moves until it sleeps or returns. */
export type PartWork = (context: WorkContext, data: unknown) => unknown;

/** Looks at a machine after a schedule that ended well, on the first CPU, alone and without the gate. */
export type Check = (context: WorkContext, data: unknown) => readonly Violation[];

export interface LockstepOrder {
  readonly board: Board;
  readonly plan: StrategyPlan;
  readonly seed: number;
  /** The first schedule, and the one before which the exploration ends. */
  readonly from: number;
  readonly to: number;
  /** A Work. */
  readonly work: Called;
  /** A Check. */
  readonly check: Called | null;
  /** What each CPU is in the run, by its number. */
  readonly roles: readonly Role[];
  readonly policy: FaultPolicy;
  readonly arch: ArchEntry;
  readonly verify: boolean;
  readonly trace: boolean;
  readonly spin: boolean;
  /** What programs draw from, whatever the schedule; null: every schedule has programs of its own. */
  readonly programSeed: number | null;
  readonly stopAtFirst: boolean;
  /** State of the race detector (races/race_detector.ts), when races are looked for. */
  readonly races: Int32Array | null;
  /** A word whose accesses are written down with their stacks, by whoever looks for races. */
  readonly watch: number | null;
  /** Sweeps also within schedules (rest_sweep.ts). */
  readonly deep: boolean;
  /** What each CPU is to meet, but for the seed, which is that of the programs. */
  readonly inject: readonly (InjectionPlan | null)[];
  /** Every step is reported, with all that can be said of it; for a single schedule. */
  readonly lanes: boolean;
  /** Every operation is written down on the board. */
  readonly record: boolean;
  /** Microseconds of the clock for each operation. */
  readonly tickUs: number;
  /** Operations without progress of anybody that are called a livelock. */
  readonly stillMax: number;
}

/** An access to a word that is watched. */
export interface WatchedAccess {
  readonly cpu: number;
  readonly access: Access;
  readonly step: number;
  readonly stack: string;
}

/** A schedule that went wrong, and all that repeats it. */
export interface FailedSchedule {
  readonly schedule: number;
  readonly programSeed: number;
  readonly choices: Choices;
  readonly steps: number;
  readonly hash: number;
  /** Deviations of the schedule by where they were made: see anchors.ts. */
  readonly anchors: readonly Anchor[];
  /** Operations of its program that each CPU had finished. */
  readonly ops: readonly number[];
}

/** Milliseconds of all schedules: before them, in them, and after them. */
export interface ExplorationTimes {
  readonly restoreMs: number;
  readonly playMs: number;
  readonly checkMs: number;
}

/** What the leader knows at the end. */
export interface Exploration {
  readonly times: ExplorationTimes;
  readonly schedules: number;
  readonly failing: number;
  readonly failed: readonly FailedSchedule[];
  /** There is no further schedule. */
  readonly exhausted: boolean;
  /** One sentence of the strategy. */
  readonly covered: string;
  /** Operations of all schedules, and a hash of all of them. */
  readonly steps: number;
  readonly hash: number;
  /** Choices that a replay could not follow. */
  readonly diverged: number;
}

export interface ThreadReport {
  readonly findings: readonly Finding[];
  readonly exploration: Exploration | null;
  /** The steps of this CPU, when they were asked for. */
  readonly lane: readonly LaneStep[];
  /** The machine when the first failure was found, if this thread found it, when steps were asked for. */
  readonly evidence: Evidence | undefined;
  readonly watched: readonly WatchedAccess[];
}

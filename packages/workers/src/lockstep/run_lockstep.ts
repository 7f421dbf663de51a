/**
 * Runs an exploration on the CPUs of a machine: many schedules of one work, without a message in between.
 * Next: lockstep_work.ts is the threads' side, explore.ts brings scenarios and programs.
 */
import { StallError } from '@faultlab/core/base/errors';
import type { InjectionPlan } from '@faultlab/core/trace/injector';
import type { Machine } from '../machine.ts';
import { readAnchors } from './anchors.ts';
import { B_HASH, B_PROGRAM_SEED, B_SCHEDULE, B_STEPS, type Board, createBoard } from './board.ts';
import { readChoices } from './choices.ts';
import type { Evidence } from './evidence.ts';
import type { LaneStep } from './lane_step.ts';
import type { Called, Exploration, FailedSchedule, Finding, LockstepOrder, Role, ThreadReport, WatchedAccess } from './lockstep_order.ts';
import { detectorWords } from './races/race_detector.ts';
import type { StrategyPlan } from './strategy_plan.ts';

const WORK = new URL('./lockstep_work.js', import.meta.url);
const STILL_MAX_DEFAULT = 200_000;
const TICK_US_DEFAULT = 1;

export interface LockstepRun {
  /** A module whose default export is a Work that returns when it has done its part; called for each CPU in each schedule. */
  readonly work: URL;
  readonly data: (cpu: number) => unknown;
  /** A module whose default export is a Check. */
  readonly check?: { readonly module: URL; readonly data?: unknown };
  readonly role?: (cpu: number) => Role;
  readonly plan: StrategyPlan;
  readonly seed: number;
  /** The first schedule; 0 when not given. */
  readonly from?: number;
  readonly schedules: number;
  /** What programs draw from in every schedule; when not given, each has programs of its own. */
  readonly programSeed?: number;
  /** End with the first schedule that fails. */
  readonly stopAtFirst?: boolean;
  readonly tickUs?: number;
  readonly stillMax?: number;
  readonly record?: boolean;
  /** Report every step of every CPU, with all that can be said of it; for a single schedule. */
  readonly lanes?: boolean;
  /** Look for accesses that no lock orders. */
  readonly races?: boolean;
  /** With `races`: a word whose accesses are to be written down. */
  readonly watch?: number;
  /** Sweeps within schedules. */
  readonly deep?: boolean;
  /** What a CPU is to meet. */
  readonly inject?: (cpu: number) => InjectionPlan | null;
  readonly spin?: boolean;
  /** Ends the exploration after the schedule that it is in. */
  readonly signal?: AbortSignal;
  /** The same after so many seconds. */
  readonly seconds?: number;
}

export interface Failure extends FailedSchedule {
  readonly findings: readonly Finding[];
}

export interface LockstepResult extends Omit<Exploration, 'failed'> {
  /** The first of them, in the order of the schedules. */
  readonly failures: readonly Failure[];
  /** A thread hung outside of the protocol, so that the machine is lost. */
  readonly hung: boolean;
  readonly wallMs: number;
  /** The steps of the last schedule in their order, when they were asked for. */
  readonly lanes: readonly LaneStep[];
  /** The machine when the first failure was found; with the steps. */
  readonly evidence: Evidence | undefined;
  /** Accesses to the word that was watched, in their order. */
  readonly watched: readonly WatchedAccess[];
  readonly board: Board;
}

/** @throws UsageError when the work refuses its data */
export async function runLockstep(machine: Machine, run: LockstepRun): Promise<LockstepResult> {
  const { config } = machine;
  const board = createBoard(config.cpus);
  const called = (module: URL, data: unknown): Called => ({ module: module.href, data });
  const roles = Array.from({ length: config.cpus }, (_, cpu) => run.role?.(cpu) ?? 'program');
  const from = run.from ?? 0;
  const common: Omit<LockstepOrder, 'work'> = {
    board,
    plan: run.plan,
    seed: run.seed,
    from,
    to: from + run.schedules,
    check: run.check === undefined ? null : called(run.check.module, run.check.data),
    roles,
    policy: config.policy,
    arch: config.arch,
    verify: config.verify,
    trace: config.trace,
    spin: run.spin ?? true,
    programSeed: run.programSeed ?? null,
    stopAtFirst: run.stopAtFirst ?? true,
    races: run.races === true ? new Int32Array(new SharedArrayBuffer(4 * detectorWords(machine.memory.layout.words, config.cpus))) : null,
    watch: run.watch ?? null,
    deep: run.deep ?? false,
    inject: roles.map((_, cpu) => run.inject?.(cpu) ?? null),
    record: run.record ?? false,
    lanes: run.lanes ?? false,
    tickUs: run.tickUs ?? TICK_US_DEFAULT,
    stillMax: run.stillMax ?? STILL_MAX_DEFAULT,
  };
  try {
    const { reports, wallMs } = await machine.run<LockstepOrder, ThreadReport>({
      work: WORK,
      data: (cpu) => ({ ...common, work: called(run.work, run.data(cpu)) }),
      ...(run.signal === undefined ? {} : { signal: run.signal }),
      ...(run.seconds === undefined ? {} : { seconds: run.seconds }),
    });
    const answers = reports.map((report) => {
      if (report.end === 'finished') return report.result;
      throw new Error(`CPU ${report.cpu} ended an exploration with ${report.end === 'violation' ? report.violation.message : report.end}`);
    });
    const findings = answers.flatMap((answer) => answer.findings);
    const { failed, ...exploration } = (answers[0] as ThreadReport).exploration as Exploration;
    const failures = failed.map((one) => ({ ...one, findings: findings.filter(({ schedule }) => schedule === one.schedule) }));
    const lanes = answers.flatMap(({ lane }) => lane).sort((one, other) => one.step - other.step);
    const evidence = answers.find((answer) => answer.evidence !== undefined)?.evidence;
    const watched = answers.flatMap((answer) => answer.watched).sort((one, other) => one.step - other.step);
    return { ...exploration, failures, lanes, evidence, watched, hung: false, wallMs, board };
  } catch (error) {
    if (!(error instanceof StallError)) throw error;
    return hang(board, from, error);
  }
}

/** A loop without an operation in it: nobody but the watchdog of the host can find it, and the choices that led there are on the board. */
function hang(board: Board, from: number, error: StallError): LockstepResult {
  const schedule = board[B_SCHEDULE] as number;
  const finding: Finding = {
    schedule,
    id: 'hang',
    message: 'a CPU loops without any operation of the protocol',
    cpu: undefined,
    stack: '',
    site: '',
    step: board[B_STEPS] as number,
    state: error.message.split('\n'),
  };
  const failure: Failure = {
    schedule,
    programSeed: (board[B_PROGRAM_SEED] as number) >>> 0,
    choices: readChoices(board),
    steps: board[B_STEPS] as number,
    hash: (board[B_HASH] as number) >>> 0,
    anchors: readAnchors(board),
    ops: [],
    findings: [finding],
  };
  const schedules = schedule - from + 1;
  const rest = {
    steps: 0,
    hash: 0,
    diverged: 0,
    exhausted: false,
    covered: '',
    wallMs: 0,
    lanes: [],
    evidence: undefined,
    watched: [],
    times: { restoreMs: 0, playMs: 0, checkMs: 0 },
  };
  return { ...rest, schedules, failing: 1, failures: [failure], hung: true, board };
}

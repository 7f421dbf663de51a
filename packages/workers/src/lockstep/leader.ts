/**
 * The leader of an exploration, on the thread of CPU 0: before each schedule it puts everything back, and after it, it judges.
 * Next: cpu_part.ts for the schedule itself
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { H_FREEZE } from '@faultlab/core/memory/header';
import { checkFreeze } from '@faultlab/core/memory/park';
import { PC_PROGRESS, percpuBase } from '@faultlab/core/memory/percpu';
import type { WorkContext } from '../work.ts';
import { readAnchors } from './anchors.ts';
import {
  B_ALIVE,
  B_CLOSING,
  B_CPUS,
  B_DIVERGED,
  B_ENDED,
  B_ENDED_BY,
  B_HASH,
  B_HELD,
  B_HELPERS,
  B_NOW_US,
  B_PHASE,
  B_PROGRAM_SEED,
  B_RACES,
  B_READY,
  B_RECORD,
  B_RUNNABLE,
  B_SCHEDULE,
  B_SERVERS,
  B_START_STEPS,
  B_STEPS,
  B_STEPS_MAX,
  B_STILL_MAX,
  B_TICK_US,
  B_TIMED,
  type Board,
  C_OP_STEPS,
  C_OPS,
  cpuAt,
  ENDED_CUT,
  ENDED_WELL,
  PHASE_GATHER,
  PHASE_OVER,
} from './board.ts';
import { mix } from './chance.ts';
import { readChoices } from './choices.ts';
import type { CpuPart } from './cpu_part.ts';
import { collectEvidence, type Evidence } from './evidence.ts';
import type { LockstepGate } from './gate.ts';
import type { Check, Exploration, FailedSchedule, Finding, LockstepOrder, Role, ThreadReport } from './lockstep_order.ts';
import { noteRest } from './rest_sweep.ts';
import { siteOf, withoutNumbers } from './site.ts';
import { Snapshot } from './snapshot.ts';
import { stateLines } from './state_lines.ts';
import type { Strategy } from './strategy.ts';

/** The CPU whose thread leads. */
export const LEADER = 0;
/** Failures that are kept with all that repeats them. */
const FAILED_KEPT = 16;
/** The clock does not start at zero: a time of zero means "none" here and there. */
const START_US = 1000;
const HASH_START = 0x811c9dc5;
const READY_MS = 100;

export class Leader {
  readonly #context: WorkContext;
  readonly #order: LockstepOrder;
  readonly #gate: LockstepGate;
  readonly #strategy: Strategy;
  readonly #part: CpuPart;
  readonly #check: Check | null;
  readonly #board: Board;
  readonly #failed: FailedSchedule[] = [];
  readonly #checkFindings: Finding[] = [];
  readonly #times = { restoreMs: 0, playMs: 0, checkMs: 0 };
  #schedules = 0;
  #failing = 0;
  #steps = 0;
  #hash = HASH_START;
  #exhausted = false;
  #evidence: Evidence | undefined;

  constructor(context: WorkContext, order: LockstepOrder, gate: LockstepGate, strategy: Strategy, part: CpuPart, check: Check | null) {
    this.#context = context;
    this.#order = order;
    this.#gate = gate;
    this.#strategy = strategy;
    this.#part = part;
    this.#check = check;
    this.#board = order.board;
  }

  lead(): ThreadReport {
    const { from, to, stopAtFirst } = this.#order;
    this.#awaitOthers();
    const { cpu, arena } = this.#context;
    const before = new Snapshot(cpu.memory, arena);
    for (let schedule = from; schedule < to && !this.#context.stopRequested(); schedule++) {
      const startMs = performance.now();
      this.#reset(before, schedule);
      if (!this.#strategy.begin(this.#board, schedule)) {
        this.#exhausted = true;
        break;
      }
      const playMs = performance.now();
      this.#play();
      const judgeMs = performance.now();
      this.#judge(schedule);
      this.#thaw();
      this.#addTimes(startMs, playMs, judgeMs);
      this.#strategy.end?.(this.#board);
      if (stopAtFirst && this.#failing > 0) break;
    }
    before.restore();
    this.#board[B_PHASE] = PHASE_OVER;
    for (let other = 1; other < this.#cpus; other++) this.#gate.giveTo(other);
    return {
      findings: [...this.#part.findings, ...this.#checkFindings],
      exploration: this.#exploration(),
      lane: this.#part.lane,
      evidence: this.#part.evidence ?? this.#evidence,
      watched: this.#part.watched,
    };
  }

  /** Where the time goes; nothing is decided by it. */
  #addTimes(startMs: number, playMs: number, judgeMs: number): void {
    this.#times.restoreMs += playMs - startMs;
    this.#times.playMs += judgeMs - playMs;
    this.#times.checkMs += performance.now() - judgeMs;
  }

  get #cpus(): number {
    return this.#board[B_CPUS] as number;
  }

  #awaitOthers(): void {
    const board = this.#board;
    for (let ready = 0; ready < this.#cpus - 1; ready = Atomics.load(board, B_READY)) {
      Atomics.wait(board, B_READY, ready, READY_MS);
      checkFreeze(this.#context.cpu);
    }
  }

  /** Memory and board as at the beginning. */
  #reset(before: Snapshot, schedule: number): void {
    const { seed, programSeed, record, tickUs, stillMax } = this.#order;
    const board = this.#board;
    before.restore();
    const all = (1 << this.#cpus) - 1;
    board.fill(0, B_PHASE, B_STEPS_MAX);
    board[B_SCHEDULE] = schedule;
    board[B_PHASE] = PHASE_GATHER;
    board[B_NOW_US] = START_US;
    board[B_HASH] = HASH_START;
    board[B_ENDED_BY] = -1;
    board[B_PROGRAM_SEED] = programSeed ?? mix(seed, schedule) >>> 0;
    board[B_DIVERGED] = 0;
    board[B_CLOSING] = 0;
    board[B_ALIVE] = all;
    board[B_RUNNABLE] = all;
    board[B_TIMED] = 0;
    board[B_HELD] = 0;
    board[B_SERVERS] = this.#maskOf('server');
    board[B_HELPERS] = this.#maskOf('server') | this.#maskOf('helper');
    board[B_TICK_US] = tickUs;
    board[B_STILL_MAX] = stillMax;
    board[B_RECORD] = record ? 1 : 0;
    board[B_RACES] = 0;
    this.#part.begin();
    // The watchdog outside looks at these words: each schedule is progress.
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      this.#setProgress(cpu, schedule + 1);
      board[cpuAt(cpu, C_OPS)] = 0;
      board[cpuAt(cpu, C_OP_STEPS)] = 0;
      noteRest(board, cpu);
    }
  }

  #maskOf(role: Role): number {
    return this.#order.roles.reduce((mask, its, cpu) => (its === role ? mask | (1 << cpu) : mask), 0);
  }

  #setProgress(cpu: number, value: number): void {
    const { memory } = this.#context.cpu;
    memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + PC_PROGRESS] = value;
  }

  /** A freeze that came from a schedule ends with it; one from outside stays. */
  #thaw(): void {
    const { words } = this.#context.cpu;
    const frozen = Atomics.load(words, H_FREEZE);
    if (frozen > 0) Atomics.compareExchange(words, H_FREEZE, frozen, 0);
  }

  /** From the first turn until the last CPU has left. CPU 0 has the turn before and afterwards. */
  #play(): void {
    if (!this.#part.play(LEADER)) this.#gate.awaitTurn();
  }

  #judge(schedule: number): void {
    const board = this.#board;
    this.#schedules++;
    this.#steps += board[B_STEPS] as number;
    this.#hash = Math.imul(this.#hash ^ (board[B_HASH] as number), 0x01000193);
    const own = (board[B_STEPS] as number) - (board[B_START_STEPS] as number);
    board[B_STEPS_MAX] = Math.max(board[B_STEPS_MAX] as number, own);
    const ended = board[B_ENDED] as number;
    if (ended === ENDED_CUT) return;
    if (ended === ENDED_WELL && this.#isGood(schedule) && board[B_RACES] === 0) return;
    this.#failing++;
    if (this.#failed.length >= FAILED_KEPT) return;
    this.#failed.push({
      schedule,
      programSeed: board[B_PROGRAM_SEED] as number,
      choices: readChoices(board),
      steps: board[B_STEPS] as number,
      hash: (board[B_HASH] as number) >>> 0,
      anchors: readAnchors(board),
      ops: Array.from({ length: this.#cpus }, (_, cpu) => board[cpuAt(cpu, C_OPS)] as number),
    });
  }

  /** Everything put off is done, then somebody looks at what is left. Time does not pass. */
  #isGood(schedule: number): boolean {
    try {
      for (let id = 0; id < this.#cpus; id++) {
        const cpu = this.#ungated(id);
        cpuOnline(cpu);
        cpuOffline(cpu);
      }
      if (this.#check === null) return true;
      const cpu = this.#ungated(LEADER);
      cpuOnline(cpu);
      const violations = this.#check({ ...this.#context, cpu, arrive: () => {} }, this.#order.check?.data);
      for (const { id, message } of violations) this.#found(schedule, id, message, '');
      return violations.length === 0;
    } catch (thrown) {
      if (this.#gate.frozenFromOutside || !(thrown instanceof Error)) throw thrown;
      const id = thrown instanceof InvariantError ? thrown.id : 'threw';
      this.#found(schedule, id, thrown.message.replace(`${id}: `, ''), thrown.stack ?? '');
      return false;
    }
  }

  #found(schedule: number, id: string, message: string, stack: string): void {
    if (this.#checkFindings.length >= FAILED_KEPT) return;
    const { cpu, arena } = this.#context;
    const state = stateLines(cpu.memory, arena, this.#board, this.#gate.now());
    if (this.#order.lanes) this.#evidence ??= collectEvidence(cpu.memory, arena, this.#gate.now());
    const site = stack === '' ? withoutNumbers(message) : siteOf(stack);
    this.#checkFindings.push({ schedule, id, message, cpu: undefined, stack, site, state, step: this.#board[B_STEPS] as number });
  }

  #ungated(id: number): Cpu {
    const { policy, arch, verify } = this.#order;
    return createCpu({ id: id as CpuId, memory: this.#context.cpu.memory, now: this.#gate.now, policy, arch, verify, spin: false });
  }

  #exploration(): Exploration {
    return {
      schedules: this.#schedules,
      times: this.#times,
      failing: this.#failing,
      failed: this.#failed,
      exhausted: this.#exhausted,
      covered: this.#strategy.covered?.(this.#board) ?? '',
      steps: this.#steps,
      hash: this.#hash >>> 0,
      diverged: this.#board[B_DIVERGED] as number,
    };
  }
}

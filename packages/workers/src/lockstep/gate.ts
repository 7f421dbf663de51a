/**
 * The gate of lock-step: of all CPUs exactly one moves. Before each operation of the funnel it asks the strategy who is to move next. If that
 * is itself, nothing but a few words of the board has changed; otherwise it hands the turn over and waits for it.
 *
 *   CPU 0 (has the turn)                      CPU 1 (waits)
 *   1 writes down what it is about to do
 *   2 draws CPU 1
 *   3 turn of CPU 1 = 1; wakes it if it sleeps
 *                                             4 sees its turn: all that CPU 0 wrote before 3 is visible
 *                                             5 does its operation, and draws at its next
 *
 * Sleeping, waking and time are the gate's own. A CPU that parks cannot move until somebody wakes it or the clock reaches its time-out. The
 * clock counts operations; when nobody can move, it jumps to the next time-out. When there is none, that is a deadlock.
 * Next: strategy.ts
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { MachineStopped } from '@faultlab/core/base/errors';
import { FROZEN_FROM_OUTSIDE, H_FREEZE } from '@faultlab/core/memory/header';
import type { SharedWords } from '@faultlab/core/memory/shared_words';
import {
  PARK_NOT_EQUAL,
  PARK_TIMED_OUT,
  PARK_WOKEN,
  type ParkResult,
  STEP_PARK,
  STEP_POINT,
  STEP_RELAX,
  STEP_WAKE,
  type StepGate,
  type StepKind,
} from '@faultlab/core/memory/step_gate';
import type { PointObserver } from '@faultlab/core/trace/points';
import { whereWord } from './anchors.ts';
import {
  B_ALIVE,
  B_CLOSING,
  B_DECISIONS,
  B_DEVIATIONS,
  B_DUE_US,
  B_ENDED,
  B_ENDED_BY,
  B_HASH,
  B_HELD,
  B_HELPERS,
  B_NOW_US,
  B_PHASE,
  B_RECORD,
  B_RUNNABLE,
  B_SERVERS,
  B_START_STEPS,
  B_STEPS,
  B_STILL,
  B_STILL_MAX,
  B_TICK_US,
  B_TICKET,
  B_TIMED,
  type Board,
  C_ASLEEP,
  C_DEADLINE_US,
  C_KIND,
  C_OP_STEPS,
  C_OPS,
  C_PARK_WORD,
  C_TICKET,
  C_TURN,
  C_WOKEN,
  C_WORD,
  cpuAt,
  DEVIATIONS_MAX,
  deviationAt,
  ENDED_CUT,
  ENDED_DEADLOCK,
  ENDED_LIVELOCK,
  ENDED_WELL,
  lowest,
  nextAfter,
  PHASE_GATHER,
  PHASE_RUN,
  PHASE_SETTLE,
  RECORDS_MAX,
  recordAt,
} from './board.ts';
import { FIRST_STEP, NO_STEP, type Strategy } from './strategy.ts';

/** Looks at one's turn before the thread sleeps: a turn that comes back soon costs no wake-up. */
const TURN_LOOKS = 256;
/** Steps of one operation after which its CPU gives way; few operations of a right model have a tenth of it. */
const PATIENCE_STEPS = 4096;
/** How long a thread sleeps before it looks whether the machine was frozen from outside. */
const OUTSIDE_MS = 100;
const US_PER_MS = 1000;
/** A clock of 32 bits is not to wrap around: some 18 minutes. */
const NOW_US_MAX = 1 << 30;
/** What a jump of the clock counts for in the search for loops without progress. */
const STILL_OF_JUMP = 64;

/** Who wants to know of the operations of a CPU, and of its sleeps that somebody ended. */
export interface StepObserver {
  /** The CPU is about to ask for a turn: the operation before is over. */
  settle(): void;
  step(kind: number, word: number): void;
  woken(word: number): void;
  /** All CPUs have met: called by the last one to come. */
  allMet(): void;
}

export class LockstepGate implements StepGate, PointObserver {
  readonly #board: Board;
  readonly #arena: SharedWords;
  readonly #strategy: Strategy;
  readonly #seesForced: boolean;
  readonly #me: number;
  readonly #bit: number;
  readonly #mine: number;
  readonly #choice = { me: 0, candidates: 0, fallback: 0, goesOn: false, kind: 0 };
  /** The CPU has come through the start: its next operation is the first that is chosen for. */
  #settled = false;
  /** The CPU has done its part: what it still does is nobody's business. */
  #over = false;
  /** Who looks for races; it learns of each operation once it has its turn. */
  observer: StepObserver | null = null;
  /** Called by the CPU that finds a deadlock or a livelock, while everything is as it was found. */
  onStall: (ended: number) => void = () => {};

  constructor(board: Board, arena: SharedWords, strategy: Strategy, me: number) {
    this.#board = board;
    this.#arena = arena;
    this.#strategy = strategy;
    this.#seesForced = strategy.seesForced === true;
    this.#me = me;
    this.#bit = 1 << me;
    this.#mine = cpuAt(me, 0);
    this.#choice.me = me;
  }

  /** The clock of the run, in milliseconds. */
  readonly now = (): number => (this.#board[B_NOW_US] as number) / US_PER_MS;

  step(_cpu: CpuId, kind: StepKind, word: number): void {
    this.#turnFor(kind, word);
  }

  at(point: number): void {
    this.#turnFor(STEP_POINT, point);
  }

  park(_cpu: CpuId, word: Word, seen: number, timeoutMs: number): ParkResult {
    return this.parkWhile(word, () => this.#arena[word] === seen, timeoutMs);
  }

  /** As park(), for a word that need not lie in the arena. @param holds whether it still has the value that the CPU sleeps for */
  parkWhile(word: number, holds: () => boolean, timeoutMs: number): ParkResult {
    this.#turnFor(STEP_PARK, word);
    const board = this.#board;
    if (!holds()) return PARK_NOT_EQUAL;
    const mine = this.#mine;
    board[mine + C_WOKEN] = 0;
    board[mine + C_PARK_WORD] = word;
    board[mine + C_TICKET] = board[B_TICKET] as number;
    board[B_TICKET] = (board[B_TICKET] as number) + 1;
    if (timeoutMs < Number.POSITIVE_INFINITY) this.#sleepUntil((board[B_NOW_US] as number) + Math.max(1, Math.ceil(timeoutMs * US_PER_MS)));
    board[B_RUNNABLE] = (board[B_RUNNABLE] as number) & ~this.#bit;
    this.#give(this.#choose(NO_STEP), true);
    if (board[B_ENDED] !== ENDED_WELL || board[B_CLOSING] !== 0) throw new MachineStopped('the schedule has ended');
    if (board[mine + C_WOKEN] === 0) return PARK_TIMED_OUT;
    this.observer?.woken(word);
    return PARK_WOKEN;
  }

  unpark(_cpu: CpuId, word: Word, count: number): number {
    this.#turnFor(STEP_WAKE, word);
    let woken = 0;
    while (woken < count) {
      const sleeper = this.#firstSleeper(word);
      if (sleeper < 0) break;
      this.#board[cpuAt(sleeper, C_WOKEN)] = 1;
      this.#awake(sleeper);
      woken++;
    }
    return woken;
  }

  /** The CPU sleeps, and only another one can end that. */
  asleep(cpu: number): boolean {
    const board = this.#board;
    return ((board[B_ALIVE] as number) & ~(board[B_RUNNABLE] as number) & ~(board[B_TIMED] as number) & (1 << cpu)) !== 0;
  }

  /** The CPU has prepared itself. Returns when all have. @returns nothing; the caller says settled() when it is ready for the start */
  gather(): void {
    const board = this.#board;
    board[B_HELD] = (board[B_HELD] as number) | this.#bit;
    if (((board[B_ALIVE] as number) & ~(board[B_HELD] as number)) !== 0) this.#give(this.#choose(NO_STEP), true);
    else this.#allGathered();
    if (board[B_ENDED] !== ENDED_WELL) throw new MachineStopped('the schedule has ended');
  }

  /** The next operation of this CPU is the first that the strategy chooses for. */
  settled(): void {
    this.#settled = true;
    this.#board[this.#mine + C_OPS] = 0;
    this.#board[this.#mine + C_OP_STEPS] = 0;
  }

  /** The work of this CPU is done. What it does until it leaves is no part of the schedule. */
  finished(): void {
    this.#over = true;
  }

  /** Something was finished. */
  progress(): void {
    const board = this.#board;
    if (((board[B_HELPERS] as number) & this.#bit) === 0) board[B_STILL] = 0;
    board[this.#mine + C_OPS] = (board[this.#mine + C_OPS] as number) + 1;
    board[this.#mine + C_OP_STEPS] = 0;
  }

  /** The CPU has nothing more to do in this schedule; it has the turn, and passes it on. @returns whether it was the last */
  leave(leader: number): boolean {
    const board = this.#board;
    this.#settled = false;
    this.#over = false;
    const alive = (board[B_ALIVE] as number) & ~this.#bit;
    board[B_ALIVE] = alive;
    board[B_RUNNABLE] = (board[B_RUNNABLE] as number) & ~this.#bit;
    board[B_HELD] = (board[B_HELD] as number) & ~this.#bit;
    if (alive === 0) {
      if (leader !== this.#me) this.#give(leader, false);
      return true;
    }
    if (board[B_PHASE] !== PHASE_RUN && (alive & ~(board[B_HELD] as number)) === 0) this.#allGathered();
    this.#give(this.#choose(NO_STEP), false);
    return false;
  }

  /** Ends the schedule where it is: everybody who has not left is thrown out of what it is in, one after the other. */
  end(how: number): void {
    const board = this.#board;
    if (board[B_ENDED] !== ENDED_WELL) return;
    board[B_ENDED] = how;
    board[B_ENDED_BY] = this.#me;
    if (how === ENDED_DEADLOCK || how === ENDED_LIVELOCK) this.onStall(how);
    this.#arena[H_FREEZE] = this.#me + 1;
    board[B_RUNNABLE] = board[B_ALIVE] as number;
    board[B_HELD] = 0;
    board[B_TIMED] = 0;
  }

  /** Gives the turn to a CPU whose thread waits for it. */
  giveTo(cpu: number): void {
    const turn = cpuAt(cpu, C_TURN);
    Atomics.store(this.#board, turn, 1);
    if (Atomics.load(this.#board, turn + C_ASLEEP) !== 0) Atomics.notify(this.#board, turn, 1);
  }

  /** Waits for this CPU's turn. @throws MachineStopped when the machine is frozen from outside */
  awaitTurn(): void {
    const board = this.#board;
    const turn = this.#mine + C_TURN;
    for (let look = 0; look < TURN_LOOKS; look++) {
      if (Atomics.load(board, turn) !== 1) continue;
      board[turn] = 0;
      return;
    }
    Atomics.store(board, turn + C_ASLEEP, 1);
    while (Atomics.load(board, turn) !== 1) {
      Atomics.wait(board, turn, 0, OUTSIDE_MS);
      if (this.frozenFromOutside) throw new MachineStopped('the machine was frozen');
    }
    board[turn] = 0;
    Atomics.store(board, turn + C_ASLEEP, 0);
  }

  get frozenFromOutside(): boolean {
    return Atomics.load(this.#arena, H_FREEZE) === FROZEN_FROM_OUTSIDE;
  }

  /** Takes the turn for one operation, and counts it. */
  #turnFor(kind: number, word: number): void {
    if (this.#over) return;
    const board = this.#board;
    this.observer?.settle();
    board[this.#mine + C_KIND] = kind;
    board[this.#mine + C_WORD] = word;
    if (board[B_PHASE] === PHASE_RUN) {
      // A fault that is tried until another CPU has moved a page, say: a host would let that one run.
      const steps = board[this.#mine + C_OP_STEPS] as number;
      const asks = steps !== 0 && steps % PATIENCE_STEPS === 0 ? STEP_RELAX : kind;
      if (this.#seesForced || asks === STEP_RELAX || board[B_RUNNABLE] !== this.#bit) this.#give(this.#choose(asks), true);
    } else this.#prepare();
    if (board[B_ENDED] !== ENDED_WELL) throw new MachineStopped('the schedule has ended');
    this.#count(kind, word);
    this.observer?.step(kind, word);
  }

  #count(kind: number, word: number): void {
    const board = this.#board;
    const steps = board[B_STEPS] as number;
    const what = (this.#me << 3) | kind;
    board[B_STEPS] = steps + 1;
    board[this.#mine + C_OP_STEPS] = (board[this.#mine + C_OP_STEPS] as number) + 1;
    board[B_HASH] = Math.imul((board[B_HASH] as number) ^ what, 0x01000193) ^ Math.imul(word, 0x9e3779b1);
    const now = (board[B_NOW_US] as number) + (board[B_TICK_US] as number);
    board[B_NOW_US] = now;
    if (board[B_TIMED] !== 0 && now >= (board[B_DUE_US] as number)) this.#timeOut(now);
    if (board[B_RECORD] !== 0 && steps < RECORDS_MAX) {
      const at = recordAt(steps);
      board[at] = what;
      board[at + 1] = word;
      board[at + 2] = board[B_RUNNABLE] as number;
    }
    const still = (board[B_STILL] as number) + 1;
    board[B_STILL] = still;
    if (still <= (board[B_STILL_MAX] as number) && now < NOW_US_MAX) return;
    this.end(ENDED_LIVELOCK);
    throw new MachineStopped('the schedule has ended');
  }

  /** Before the start there is no choice: the CPU goes on, and gives way at its first operation after it has settled. */
  #prepare(): void {
    if (!this.#settled || this.#board[B_PHASE] !== PHASE_SETTLE) return;
    this.gather();
  }

  #allGathered(): void {
    const board = this.#board;
    this.observer?.allMet();
    board[B_HELD] = 0;
    if (board[B_PHASE] === PHASE_GATHER) {
      board[B_PHASE] = PHASE_SETTLE;
      return;
    }
    board[B_PHASE] = PHASE_RUN;
    board[B_START_STEPS] = board[B_STEPS] as number;
    if (((board[B_RUNNABLE] as number) & this.#bit) !== 0) this.#give(this.#choose(FIRST_STEP), true);
  }

  /** Who moves next? @param kind what this CPU is about to do, or NO_STEP if it cannot */
  #choose(kind: number): number {
    const board = this.#board;
    const gives = kind === STEP_RELAX;
    if (gives && board[B_TIMED] !== 0 && (this.#movable() & ~this.#bit) === 0) this.#jump();
    let candidates = this.#movable();
    while (candidates === 0) {
      this.#whenNobodyCanMove();
      candidates = this.#movable();
    }
    if (gives && candidates !== this.#bit) candidates &= ~this.#bit;
    const first = lowest(candidates);
    const forced = candidates === 1 << first;
    if ((forced && !this.#seesForced) || board[B_ENDED] !== ENDED_WELL || board[B_PHASE] !== PHASE_RUN) return first;
    const choice = this.#choice;
    choice.candidates = candidates;
    choice.goesOn = kind !== FIRST_STEP && (candidates & this.#bit) !== 0;
    choice.fallback = choice.goesOn ? this.#me : kind === FIRST_STEP ? first : nextAfter(candidates, this.#me);
    choice.kind = kind;
    const next = this.#strategy.next(board, choice);
    if (next < 0) {
      this.end(ENDED_CUT);
      return lowest(board[B_RUNNABLE] as number);
    }
    if (forced) return first;
    if (next !== choice.fallback) this.#noteDeviation(next, kind);
    board[B_DECISIONS] = (board[B_DECISIONS] as number) + 1;
    return next;
  }

  #noteDeviation(cpu: number, kind: number): void {
    const board = this.#board;
    const count = board[B_DEVIATIONS] as number;
    board[B_DEVIATIONS] = count + 1;
    if (count >= DEVIATIONS_MAX) return;
    const at = deviationAt(count);
    board[at] = board[B_DECISIONS] as number;
    board[at + 1] = cpu;
    board[at + 2] = whereWord(this.#me, kind, board[this.#mine + C_OP_STEPS] as number);
    board[at + 3] = board[this.#mine + C_OPS] as number;
  }

  #movable(): number {
    return (this.#board[B_RUNNABLE] as number) & ~(this.#board[B_HELD] as number);
  }

  /** Lets time pass, or ends those who only serve, or says that this is a deadlock. Somebody can move then. */
  #whenNobodyCanMove(): void {
    const board = this.#board;
    if (board[B_TIMED] !== 0) this.#jump();
    else if (((board[B_ALIVE] as number) & ~(board[B_SERVERS] as number)) === 0) {
      board[B_CLOSING] = 1;
      board[B_RUNNABLE] = board[B_ALIVE] as number;
    } else this.end(ENDED_DEADLOCK);
  }

  /** Hands the turn to `next`, unless that is this CPU, and waits for it if asked to. */
  #give(next: number, wait: boolean): void {
    if (next === this.#me && wait) return;
    this.giveTo(next);
    if (wait) this.awaitTurn();
  }

  // --- time ---------------------------------------------------------------------------------------------------------------------------

  #sleepUntil(deadlineUs: number): void {
    const board = this.#board;
    board[this.#mine + C_DEADLINE_US] = deadlineUs;
    if (board[B_TIMED] === 0 || deadlineUs < (board[B_DUE_US] as number)) board[B_DUE_US] = deadlineUs;
    board[B_TIMED] = (board[B_TIMED] as number) | this.#bit;
  }

  /** The clock jumps to the next time-out. */
  #jump(): void {
    const board = this.#board;
    const now = Math.max(board[B_NOW_US] as number, board[B_DUE_US] as number);
    board[B_NOW_US] = now;
    board[B_STILL] = (board[B_STILL] as number) + STILL_OF_JUMP;
    this.#timeOut(now);
  }

  /** Whoever's time is up can move again. */
  #timeOut(now: number): void {
    const board = this.#board;
    for (let rest = board[B_TIMED] as number; rest !== 0; rest &= rest - 1) {
      const cpu = lowest(rest);
      if ((board[cpuAt(cpu, C_DEADLINE_US)] as number) <= now) this.#awake(cpu);
    }
    let due = Number.POSITIVE_INFINITY;
    for (let rest = board[B_TIMED] as number; rest !== 0; rest &= rest - 1) {
      due = Math.min(due, board[cpuAt(lowest(rest), C_DEADLINE_US)] as number);
    }
    board[B_DUE_US] = due === Number.POSITIVE_INFINITY ? 0 : due;
  }

  #awake(cpu: number): void {
    const board = this.#board;
    board[B_TIMED] = (board[B_TIMED] as number) & ~(1 << cpu);
    board[B_RUNNABLE] = (board[B_RUNNABLE] as number) | (1 << cpu);
  }

  /** Who has slept longest on the word, or -1. */
  #firstSleeper(word: number): number {
    const board = this.#board;
    let first = -1;
    for (let rest = (board[B_ALIVE] as number) & ~(board[B_RUNNABLE] as number); rest !== 0; rest &= rest - 1) {
      const cpu = lowest(rest);
      if (board[cpuAt(cpu, C_PARK_WORD)] !== word) continue;
      if (first < 0 || (board[cpuAt(cpu, C_TICKET)] as number) < (board[cpuAt(first, C_TICKET)] as number)) first = cpu;
    }
    return first;
  }
}

/**
 * Writes down every step of one CPU in a schedule, with the value of the word before and after, and the function that did it. For a schedule
 * that is repeated to be shown: a stack for each step costs some ten times the step.
 * Next: lane_step.ts
 */
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { STEP_PARK, STEP_POINT, STEP_RELAX } from '@faultlab/core/memory/step_gate';
import { POINT_NAMES } from '@faultlab/core/trace/points';
import type { ArenaMap } from '../arena_map.ts';
import { fieldName } from '../field_names.ts';
import { type CpuState, machineState } from '../machine_state.ts';
import { describeOp } from '../program/op.ts';
import { readOpLog } from '../program/op_log.ts';
import { B_CPUS, B_PHASE, B_START_STEPS, B_STEPS, B_TICKET, type Board, C_OPS, C_TICKET, C_WOKEN, cpuAt, PHASE_RUN } from './board.ts';
import type { StepObserver } from './gate.ts';
import type { LaneStep } from './lane_step.ts';
import { siteOf } from './site.ts';

/** So many steps are kept: a schedule that is to be read has fewer. */
const STEPS_KEPT = 100_000;
/** Frames of the gate and of this file come first. */
const FRAMES = 14;

type Open = { -readonly [Key in keyof LaneStep]: LaneStep[Key] };

export class LaneRecorder implements StepObserver {
  readonly #memory: SharedMemory;
  readonly #arena: ArenaMap;
  readonly #board: Board;
  readonly #me: number;
  readonly #now: () => number;
  readonly #inner: StepObserver | null;
  readonly steps: Open[] = [];
  #open: Open | undefined;
  #ticket = 0;

  /** @param inner another observer, which is told everything, too */
  constructor(memory: SharedMemory, arena: ArenaMap, board: Board, me: number, now: () => number, inner: StepObserver | null) {
    this.#memory = memory;
    this.#arena = arena;
    this.#board = board;
    this.#me = me;
    this.#now = now;
    this.#inner = inner;
  }

  settle(): void {
    this.#close();
    this.#inner?.settle();
  }

  step(kind: number, word: number): void {
    this.#inner?.step(kind, word);
    const board = this.#board;
    if (this.steps.length >= STEPS_KEPT || board[B_PHASE] !== PHASE_RUN) return;
    const point = kind === STEP_POINT;
    const waiting = kind === STEP_PARK || kind === STEP_RELAX;
    const value = point || kind === STEP_RELAX ? 0 : (this.#memory.words[word] as number);
    this.#ticket = board[B_TICKET] as number;
    this.#open = {
      step: (board[B_STEPS] as number) - (board[B_START_STEPS] as number),
      cpu: this.#me,
      kind,
      word,
      name: point ? (POINT_NAMES[word] ?? `point ${word}`) : kind === STEP_RELAX ? '' : fieldName(this.#memory.layout, word),
      before: value,
      after: value,
      where: this.#where(),
      ops: board[cpuAt(this.#me, C_OPS)] as number,
      op: this.#op(),
      waits: waiting ? this.#waits() : undefined,
      slept: false,
      woke: undefined,
      last: false,
    };
    this.steps.push(this.#open);
  }

  woken(word: number): void {
    this.#inner?.woken(word);
  }

  allMet(): void {
    this.#inner?.allMet();
  }

  /** The CPU has done its part. */
  finished(): void {
    this.#close();
    const last = this.steps.at(-1);
    if (last !== undefined) last.last = true;
  }

  /** The schedule is over for this CPU. */
  end(): void {
    this.#close();
  }

  /** The step before is done, and nobody else has moved since, unless the CPU slept. */
  #close(): void {
    const step = this.#open;
    if (step === undefined) return;
    this.#open = undefined;
    if (step.kind !== STEP_POINT && step.kind !== STEP_RELAX) step.after = this.#memory.words[step.word] as number;
    if (step.kind !== STEP_PARK) return;
    const mine = (field: number): number => this.#board[cpuAt(this.#me, field)] as number;
    step.slept = mine(C_TICKET) === this.#ticket && (this.#board[B_TICKET] as number) > this.#ticket;
    if (!step.slept) {
      step.waits = undefined;
      return;
    }
    step.after = step.before;
    step.woke = mine(C_WOKEN) === 1 ? 'woken' : 'timed out';
  }

  #where(): string {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = FRAMES;
    const { stack = '' } = new Error('step');
    Error.stackTraceLimit = stackTraceLimit;
    return siteOf(stack);
  }

  #op(): string {
    const last = readOpLog(this.#memory.user, this.#arena, this.#me).at(-1);
    return last === undefined || last.result !== undefined ? '' : describeOp(last);
  }

  #waits(): string | undefined {
    const cpus = Array.from({ length: this.#board[B_CPUS] as number }, (_, cpu) => cpu);
    const state = machineState(this.#memory, cpus, this.#now())[this.#me] as CpuState;
    if (state.waits === undefined) return undefined;
    const holders = state.blockedBy.length === 0 ? '' : `, held by CPU ${state.blockedBy.join(', ')}`;
    return `${state.waits.kind} of ${state.waits.name}${holders}`;
  }
}

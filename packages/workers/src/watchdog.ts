/**
 * Ends a run in which somebody makes no progress any more. It looks at the words that every CPU publishes about itself, from the main
 * thread, a few times in each stall period.
 * Next: stall_report.ts writes down who holds and who waits for what.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { StallError } from '@faultlab/core/base/errors';
import {
  PC_PROGRESS,
  PC_RUN_STATE,
  PC_WAIT_KIND,
  percpuBase,
  RUN_DONE,
  RUN_OFFLINE,
  WAIT_BARRIER,
  WAIT_IO,
  WAIT_ORDER,
  WAIT_WORK,
} from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { outstandingLines } from './device/outstanding_lines.ts';
import { machineState } from './machine_state.ts';
import { stallReport } from './stall_report.ts';

export interface WatchdogOptions {
  readonly memory: SharedMemory;
  readonly stallMs: number;
  /** Those that run programs. */
  readonly cpus: readonly number[];
  /** Devices and background threads: they may sleep for as long as they like while there is no work, and never count as moving. */
  readonly threads: readonly number[];
  readonly describeOp?: ((cpu: number) => string | undefined) | undefined;
  readonly onStall: (stall: StallError) => void;
}

const LOOKS_PER_PERIOD = 20;
const LOOK_MS_MAX = 250;

/** Waits of these kinds are for other CPUs' progress by design: they are a stall only when nobody at all moves. */
const PATIENT: ReadonlySet<number> = new Set([WAIT_ORDER, WAIT_BARRIER, WAIT_IO]);

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #watched: readonly number[];
  readonly #timer: NodeJS.Timeout;
  readonly #seen: number[];
  /** For how long each CPU has been seen without progress. Time in which this thread did not run does not count twice. */
  readonly #stillMs: number[];
  readonly #lookMs: number;
  #lastLookMs: number = performance.now();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#watched = [...options.cpus, ...options.threads];
    this.#seen = this.#watched.map((cpu) => this.#read(cpu, PC_PROGRESS));
    this.#stillMs = this.#watched.map(() => 0);
    this.#lookMs = Math.min(options.stallMs / LOOKS_PER_PERIOD, LOOK_MS_MAX);
    this.#timer = setInterval(() => this.#look(), this.#lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    // A suspended process must not look like a stalled machine.
    const passedMs = Math.min(nowMs - this.#lastLookMs, this.#lookMs * 2);
    this.#lastLookMs = nowMs;
    const { cpus, stallMs } = this.#options;
    let moving = false; // Is a program?
    const stalled: number[] = [];
    const patient: number[] = [];
    this.#watched.forEach((cpu, position) => {
      const program = position < cpus.length;
      const progress = this.#read(cpu, PC_PROGRESS);
      const state = this.#read(cpu, PC_RUN_STATE);
      const waits = this.#read(cpu, PC_WAIT_KIND);
      const idle = state === RUN_OFFLINE || state === RUN_DONE || waits === WAIT_WORK;
      if (idle || progress !== this.#seen[position]) {
        this.#seen[position] = progress;
        this.#stillMs[position] = 0;
        moving ||= program && !idle;
        return;
      }
      const stillMs = (this.#stillMs[position] as number) + passedMs;
      this.#stillMs[position] = stillMs;
      if (stillMs < stallMs) moving ||= program;
      else if (!PATIENT.has(waits)) stalled.push(cpu);
      else if (program) patient.push(cpu);
    });
    const guilty = stalled.length > 0 ? stalled : moving ? [] : patient;
    if (guilty.length > 0) this.#report(guilty);
  }

  #report(guilty: readonly number[]): void {
    this.stop();
    const { memory, stallMs, describeOp, onStall } = this.#options;
    const nowMs = performance.now();
    const state = machineState(memory, this.#watched, nowMs, describeOp);
    onStall(new StallError([stallReport(state, guilty, stallMs), ...outstandingLines(memory, nowMs)].join('\n')));
  }

  #read(cpu: number, field: number): number {
    const { memory } = this.#options;
    return memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + field] as number;
  }
}

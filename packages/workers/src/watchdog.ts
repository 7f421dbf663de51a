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
} from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { outstandingLines } from './device/outstanding_lines.ts';
import { machineState } from './machine_state.ts';
import { stallReport } from './stall_report.ts';

export interface WatchdogOptions {
  readonly memory: SharedMemory;
  readonly stallMs: number;
  readonly cpus: readonly number[];
  readonly describeOp?: ((cpu: number) => string) | undefined;
  readonly onStall: (stall: StallError) => void;
}

const LOOKS_PER_PERIOD = 20;
const LOOK_MS_MAX = 250;

/** Waits of these kinds are for other CPUs' progress by design: they are a stall only when nobody at all moves. */
const PATIENT: ReadonlySet<number> = new Set([WAIT_ORDER, WAIT_BARRIER, WAIT_IO]);

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #seen: number[];
  /** For how long each CPU has been seen without progress. Time in which this thread did not run does not count twice. */
  readonly #stillMs: number[];
  readonly #lookMs: number;
  #lastLookMs: number = performance.now();

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#seen = options.cpus.map((cpu) => this.#read(cpu, PC_PROGRESS));
    this.#stillMs = options.cpus.map(() => 0);
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
    let moving = false;
    const stalled: number[] = [];
    const patient: number[] = [];
    cpus.forEach((cpu, position) => {
      const progress = this.#read(cpu, PC_PROGRESS);
      const state = this.#read(cpu, PC_RUN_STATE);
      const idle = state === RUN_OFFLINE || state === RUN_DONE;
      if (idle || progress !== this.#seen[position]) {
        this.#seen[position] = progress;
        this.#stillMs[position] = 0;
        moving ||= !idle;
        return;
      }
      const stillMs = (this.#stillMs[position] as number) + passedMs;
      this.#stillMs[position] = stillMs;
      if (stillMs < stallMs) moving = true;
      else if (PATIENT.has(this.#read(cpu, PC_WAIT_KIND))) patient.push(cpu);
      else stalled.push(cpu);
    });
    const guilty = stalled.length > 0 ? stalled : moving ? [] : patient;
    if (guilty.length > 0) this.#report(guilty);
  }

  #report(guilty: readonly number[]): void {
    this.stop();
    const { memory, stallMs, cpus, describeOp, onStall } = this.#options;
    const nowMs = performance.now();
    const state = machineState(memory, cpus, nowMs, describeOp);
    onStall(new StallError([stallReport(state, guilty, stallMs), ...outstandingLines(memory, nowMs)].join('\n')));
  }

  #read(cpu: number, field: number): number {
    const { memory } = this.#options;
    return memory.words[percpuBase(memory.percpuAt, cpu as CpuId) + field] as number;
  }
}

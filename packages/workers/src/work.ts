/**
 * A work is what a CPU executes in one run: a module whose default export is called on the thread of the CPU. Programs are one kind of
 * work, the replay of a trace is another, and a test may bring its own.
 * Next: entry/cpu_main.ts calls it.
 */
import type { Cpu } from '@faultlab/core/cpu';
import type { InjectionPlan } from '@faultlab/core/trace/injector';
import type { ArenaMap } from './arena_map.ts';

/** What a work is given. */
export interface WorkContext {
  readonly cpu: Cpu;
  readonly arena: ArenaMap;
  /** Seed of the machine; draw from it together with the number of the CPU. */
  readonly seed: number;
  /** Waits until all CPUs of the run are ready, and the clock starts. Call it exactly once, after the preparations. */
  arrive(): void;
  /** True when the run is to end: finish what you are in, and return. Throws when the machine is frozen. */
  stopRequested(): boolean;
  /** Tells the watchdog that an operation is done. */
  progress(): void;
  /** The CPU is between two operations of its program, with nothing under way. Who wants to know of that has put a function here. */
  atRest?(): void;
}

/** The default export of a work module. What it returns crosses threads, so it is plain data. */
export type Work<Data, Result> = (context: WorkContext, data: Data) => Result | Promise<Result>;

/** One CPU's part of a run. */
export interface WorkOrder {
  /** Where the work module is. */
  readonly module: string;
  readonly data: unknown;
  readonly seed: number;
  /** Trouble that the CPU is to meet. */
  readonly inject?: InjectionPlan | null;
}

/** A rule of the model that turned out broken, as plain data. */
export interface FoundViolation {
  readonly id: string;
  readonly message: string;
  readonly stack: string;
}

/** How one CPU's part of a run ended. */
export type CpuReport<Result> = {
  readonly cpu: number;
  /** Milliseconds that the thread really ran, where the system tells. */
  readonly cpuMs: number | undefined;
} & (
  | { readonly end: 'finished'; readonly result: Result }
  | { readonly end: 'violation'; readonly violation: FoundViolation }
  /** Stopped from outside while it was inside an operation. */
  | { readonly end: 'frozen' }
  | { readonly end: 'misuse'; readonly message: string }
  | { readonly end: 'threw'; readonly message: string; readonly stack: string }
);

/** What a CPU answers to over its private channel, before and after runs. */
export interface CpuControl {
  hello(): { readonly threadId: number };
  /** Executes a work. The thread hears nothing else meanwhile; stop and freeze reach it through the doorbell. */
  run(order: WorkOrder): Promise<CpuReport<unknown>>;
  /** A full garbage collection of the thread. */
  collectGarbage(): void;
  /** Ends the task of the thread. */
  end(): void;
}

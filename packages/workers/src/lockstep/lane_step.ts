/**
 * One operation of the funnel as a recorded schedule has it: who did what to which word, where in the model, and how it went on from there.
 * Next: lane_recorder.ts writes them, ../report/lane_trace.ts prints them.
 */
export interface LaneStep {
  /** Its number among the steps that were chosen for, from 1. */
  readonly step: number;
  readonly cpu: number;
  /** A STEP_* kind. */
  readonly kind: number;
  readonly word: number;
  /** "mm 1, word 4", or the name of the point. */
  readonly name: string;
  /** The word before and after. */
  readonly before: number;
  readonly after: number;
  /** The function of the model that did it. */
  readonly where: string;
  /** Operations of the CPU's program that were over, and the one that it is in; '' between two, and for a CPU without any. */
  readonly ops: number;
  readonly op: string;
  /** It gave way of its own accord: what for. */
  readonly waits: string | undefined;
  /** It slept after this step, and what ended the sleep; undefined when nothing did. */
  readonly slept: boolean;
  readonly woke: 'woken' | 'timed out' | undefined;
  /** The CPU had done its part after it. */
  readonly last: boolean;
}

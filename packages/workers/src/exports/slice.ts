/**
 * Something that lasts in a trace: its kind, when it began and when it ended.
 * Next: slices_of_cpu.ts finds them, timeline.ts puts those of all CPUs together
 */
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';

/** In the order of the rows of a CPU, from top to bottom. */
export const SLICE_KINDS = ['fault', 'mmap_lock wait', 'mmap_lock hold', 'vma lock', 'sleep'] as const;
export type SliceKind = (typeof SLICE_KINDS)[number];

export interface Slice {
  readonly cpu: number;
  readonly kind: SliceKind;
  /** Short: "write", "user fault". */
  readonly name: string;
  /** Microseconds from the start of the timeline. */
  readonly startUs: number;
  readonly endUs: number;
  /** Which of its ends is not its own, but that of what is left of the trace. */
  readonly cut: 'none' | 'start' | 'end' | 'both';
  readonly args: Readonly<Record<string, number>>;
}

/** An event with the time since the start of the timeline. */
export type TimedEntry = TraceEntry & { readonly atUs: number };

/**
 * A trace as things that last: for each CPU, from when to when it handled a fault, waited for mmap_lock, held it, held the lock of an area, or slept;
 * and who woke whom. What began before the oldest event that is left, or ended after the newest, is cut there, and says so.
 * Next: slices_of_cpu.ts, chrome_trace.ts
 */
import type { TraceEntry } from '@faultlab/core/trace/trace_ring';
import type { RunResult } from '../run_result.ts';
import type { Slice, TimedEntry } from './slice.ts';
import { slicesOfCpu } from './slices_of_cpu.ts';

/** An event without a length. */
export interface Instant {
  readonly cpu: number;
  readonly name: string;
  readonly atUs: number;
  readonly args: Readonly<Record<string, number>>;
}

/** One CPU woke the task of another one, which slept. */
export interface Wake {
  readonly fromCpu: number;
  readonly toCpu: number;
  readonly wokenByUs: number;
  /** When the sleeper went on; not before `wokenByUs`. */
  readonly ranAtUs: number;
  /** The sleep that ended so: its place in `slices`. */
  readonly slice: number;
}

export interface Timeline {
  /** What to call each CPU. */
  readonly titles: readonly string[];
  readonly endUs: number;
  readonly slices: readonly Slice[];
  readonly instants: readonly Instant[];
  readonly wakes: readonly Wake[];
}

/** Clocks of CPUs may differ by so much. */
const SKEW_US = 20;

/** The events of a run: those of its end, also when it was not asked to keep them but went wrong. */
export const traceOf = ({ trace, postMortem }: Pick<RunResult, 'trace' | 'postMortem'>): RunResult['trace'] =>
  trace.some((events) => events.length > 0) ? trace : (postMortem?.trace ?? []);

/** @param titles what to call the CPUs; "CPU 3" where it has none */
export function timelineOf(trace: RunResult['trace'], titles: readonly string[] = []): Timeline {
  const timed = timedEntries(trace);
  const endUs = Math.max(0, ...timed.map((entries) => entries.at(-1)?.atUs ?? 0));
  const slices = timed.flatMap((entries, cpu) => slicesOfCpu(cpu, entries));
  return {
    titles: trace.map((_, cpu) => titles[cpu] ?? `CPU ${cpu}`),
    endUs,
    slices,
    instants: timed.flatMap((entries, cpu) => entries.map(({ name, atUs, args }) => ({ cpu, name, atUs, args }))),
    wakes: wakesOf(timed, slices),
  };
}

/**
 * The times of a trace have 32 bits; they are put in order around the newest event, and counted from the oldest one. An event is told when it is
 * over, so a CPU that was kept from its core may tell it late, but never before the one that it told last.
 */
export function timedEntries(trace: RunResult['trace']): TimedEntry[][] {
  const reference = trace.find((entries) => entries.length > 0)?.at(-1)?.timeUs ?? 0;
  const ahead = (entry: TraceEntry): number => (entry.timeUs - reference) | 0;
  const first = trace.flat().reduce((least, entry) => Math.min(least, ahead(entry)), 0);
  return trace.map((entries) => {
    let before = 0;
    return entries.map((entry) => {
      before = Math.max(before, ahead(entry) - first);
      return { ...entry, atUs: before };
    });
  });
}

/** A wake-up is that of the sleep which ends next on the woken CPU, if it had begun; one that came as the sleeper was about to sleep has none. */
function wakesOf(timed: readonly (readonly TimedEntry[])[], slices: readonly Slice[]): Wake[] {
  const sleeps = timed.map((): { readonly slice: Slice; readonly position: number }[] => []);
  slices.forEach((slice, position) => {
    if (slice.kind === 'sleep') sleeps[slice.cpu]?.push({ slice, position });
  });
  const bySleep = new Map<number, Wake>();
  const wakings = timed.flat().filter(({ name }) => name === 'sched_waking');
  for (const { cpu, atUs, args } of wakings.sort((a, b) => a.atUs - b.atUs)) {
    const toCpu = args['target_cpu'] ?? -1;
    const ended = sleeps[toCpu]?.find(({ slice }) => slice.endUs + SKEW_US >= atUs);
    if (ended === undefined || ended.slice.startUs - SKEW_US > atUs) continue;
    const { endUs } = ended.slice;
    bySleep.set(ended.position, { fromCpu: cpu, toCpu, wokenByUs: Math.min(atUs, endUs), ranAtUs: endUs, slice: ended.position });
  }
  return [...bySleep.values()];
}

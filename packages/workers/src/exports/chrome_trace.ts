/**
 * A trace in the JSON format that Perfetto and chrome://tracing open: a process for each CPU with rows for its faults, waits, locks and sleeps, an arrow
 * from each waker to the sleep that it ended, and counters of how many CPUs wait and hold.
 * Next: write_exports.ts
 */
import type { RunResult } from '../run_result.ts';
import { SLICE_KINDS, type Slice, type SliceKind } from './slice.ts';
import { type Timeline, timelineOf, traceOf } from './timeline.ts';
import { nestedRows } from './tracks.ts';

/** The fields of the format that are used here. */
export interface ChromeEvent {
  /** X: a slice, i: an instant, s and f: the two ends of an arrow, C: a counter, M: a name. */
  readonly ph: 'X' | 'i' | 's' | 'f' | 'C' | 'M';
  readonly name: string;
  readonly cat?: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: number;
  readonly bp?: 'e';
  readonly s?: 't';
  readonly args?: Readonly<Record<string, number | string>>;
}

export interface ChromeTrace {
  readonly displayTimeUnit: 'ns';
  readonly otherData: Readonly<Record<string, number | string>>;
  readonly traceEvents: readonly ChromeEvent[];
}

/** Rows that a kind of slice has numbers for. */
const ROWS_OF_KIND = 100;
/** The row for events without a length, and for wake-ups. */
const EVENTS_ROW = 1;
/** The process that has the counters: after every CPU. */
const COUNTERS_PID = 1_000_000;

export function chromeTrace(result: RunResult): ChromeTrace {
  const timeline = timelineOf(traceOf(result), result.cpuTitles);
  const { policy, seed, verdict, wallMs, environment } = result;
  const { node, cpuModel, cores } = environment;
  return {
    displayTimeUnit: 'ns',
    otherData: { what: "a model's trace, not a kernel's", policy, seed, verdict, wallMs, node, cpuModel, cores, ...result.counters },
    traceEvents: [...lanes(timeline), ...instants(timeline), ...arrows(timeline), ...counters(timeline)],
  };
}

function lanes({ titles, slices }: Timeline): ChromeEvent[] {
  return titles.flatMap((title, pid) => {
    const rows = SLICE_KINDS.flatMap((kind, place) =>
      nestedRows(slices.filter((slice) => slice.cpu === pid && slice.kind === kind)).map((row, number) => ({
        tid: (place + 1) * ROWS_OF_KIND + number,
        kind,
        row,
      })),
    );
    return [
      named('process_name', pid, 0, title),
      { ph: 'M' as const, name: 'process_sort_index', pid, tid: 0, args: { sort_index: pid } },
      named('thread_name', pid, EVENTS_ROW, 'events'),
      ...rows.flatMap(({ tid, kind, row }) => [named('thread_name', pid, tid, kind), ...row.map((slice) => sliceEvent(slice, tid))]),
    ];
  });
}

const named = (what: 'process_name' | 'thread_name', pid: number, tid: number, name: string): ChromeEvent => ({
  ph: 'M',
  name: what,
  pid,
  tid,
  args: { name },
});

const sliceEvent = ({ cpu, kind, name, startUs, endUs, cut, args }: Slice, tid: number): ChromeEvent => ({
  ph: 'X',
  name: kind === 'fault' || kind === 'sleep' ? name : `${kind} (${name})`,
  cat: kind,
  pid: cpu,
  tid,
  ts: startUs,
  dur: endUs - startUs,
  args: cut === 'none' ? args : { ...args, cut },
});

/** Those that are no end of a slice. */
const WITHIN_SLICES: ReadonlySet<string> = new Set([
  'mmap_lock_start_locking',
  'mmap_lock_acquire_returned',
  'mmap_lock_released',
  'page_fault_user',
  'page_fault_kernel',
  'vma_end_read',
  'sleep',
  'sched_waking',
]);

const instants = (timeline: Timeline): ChromeEvent[] =>
  timeline.instants
    .filter(({ name }) => !WITHIN_SLICES.has(name))
    .map(({ cpu, name, atUs, args }) => ({ ph: 'i', s: 't', name, cat: 'event', pid: cpu, tid: EVENTS_ROW, ts: atUs, args }));

/** An arrow needs a slice at each end: the waker gets one without a length. The sleeper's has to end no earlier than the arrow. */
function arrows({ wakes, slices, titles }: Timeline): ChromeEvent[] {
  const rows = sleepRows(slices, titles.length);
  return wakes.flatMap(({ fromCpu, toCpu, wokenByUs, ranAtUs, slice }, id): ChromeEvent[] => {
    const from = { cat: 'wake', id, pid: fromCpu, tid: EVENTS_ROW, ts: wokenByUs };
    const tid = rows.get(slices[slice] as Slice) ?? EVENTS_ROW;
    return [
      { ph: 'X', name: `wakes ${titles[toCpu]}`, cat: 'wake', pid: fromCpu, tid: EVENTS_ROW, ts: wokenByUs, dur: 0 },
      { ...from, ph: 's', name: 'wake' },
      { ph: 'f', bp: 'e', name: 'wake', cat: 'wake', id, pid: toCpu, tid, ts: ranAtUs },
    ];
  });
}

/** The numbers of the rows that the sleeps are in, as lanes() gives them. */
function sleepRows(slices: readonly Slice[], cpus: number): Map<Slice, number> {
  const place = SLICE_KINDS.indexOf('sleep');
  const rows = new Map<Slice, number>();
  for (let cpu = 0; cpu < cpus; cpu++) {
    nestedRows(slices.filter((slice) => slice.cpu === cpu && slice.kind === 'sleep')).forEach((row, number) => {
      for (const slice of row) rows.set(slice, (place + 1) * ROWS_OF_KIND + number);
    });
  }
  return rows;
}

interface Counted {
  readonly title: string;
  readonly kind: SliceKind;
  readonly name?: string;
}

const COUNTED: readonly Counted[] = [
  { title: 'waiting for mmap_lock to read', kind: 'mmap_lock wait', name: 'read' },
  { title: 'waiting for mmap_lock to write', kind: 'mmap_lock wait', name: 'write' },
  { title: 'holding mmap_lock to read', kind: 'mmap_lock hold', name: 'read' },
  { title: 'holding mmap_lock to write', kind: 'mmap_lock hold', name: 'write' },
  { title: 'in a fault', kind: 'fault' },
  { title: 'asleep', kind: 'sleep' },
];

/** How many CPUs do what, at every change. */
function counters({ slices }: Timeline): ChromeEvent[] {
  const events = COUNTED.flatMap(({ title, kind, name }) => {
    const changes = new Map<number, number>();
    const change = (atUs: number, by: number): void => void changes.set(atUs, (changes.get(atUs) ?? 0) + by);
    for (const slice of slices) {
      if (slice.kind !== kind || (name !== undefined && slice.name !== name)) continue;
      change(slice.startUs, 1);
      change(slice.endUs, -1);
    }
    let value = 0;
    return [...changes]
      .sort(([a], [b]) => a - b)
      .map(([ts, by]): ChromeEvent => {
        value += by;
        return { ph: 'C', name: title, pid: COUNTERS_PID, tid: 0, ts, args: { CPUs: value } };
      });
  });
  return [named('process_name', COUNTERS_PID, 0, 'CPUs'), ...events];
}

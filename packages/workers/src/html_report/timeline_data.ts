/**
 * A timeline as the script of the page takes it: short, because there may be thousands of slices.
 * Next: timeline_section.ts; page/timeline_view.ts draws it
 */
import type { Slice } from '../exports/slice.ts';
import { SLICE_KINDS } from '../exports/slice.ts';
import type { Timeline } from '../exports/timeline.ts';

/** What a slice looks like; the order is that of the legend. */
export const SLICE_LOOKS = [
  'fault',
  'mmap_lock wait',
  'mmap_lock hold (read)',
  'mmap_lock hold (write)',
  'vma lock (read)',
  'sleep',
] as const;

/** The same shape is in page/timeline_data.ts, which is compiled for the browser. */
export interface TimelineData {
  readonly titles: readonly string[];
  readonly endUs: number;
  /** What is shown first: the stretch of which all CPUs of programs have events. */
  readonly shown: readonly [fromUs: number, toUs: number];
  /** CPU, row within the CPU, look, start, end, text. */
  readonly slices: readonly (readonly [cpu: number, row: number, look: number, startUs: number, endUs: number, text: string])[];
  /** Waker, woken, when it was woken, when it went on. */
  readonly wakes: readonly (readonly [from: number, to: number, wokenByUs: number, ranAtUs: number])[];
  readonly rows: number;
}

function lookOf({ kind, name }: Slice): number {
  if (kind === 'fault') return 0;
  if (kind === 'mmap_lock wait') return 1;
  if (kind === 'mmap_lock hold') return name === 'write' ? 3 : 2;
  return kind === 'vma lock' ? 4 : 5;
}

export function sliceText({ kind, name, startUs, endUs, cut, args }: Slice): string {
  const what = kind === 'fault' ? name : kind === 'sleep' ? `sleeps for ${name}` : `${kind} (${name})`;
  const vpn = args['vpn'] === undefined || kind === 'mmap_lock wait' ? '' : `, page ${args['vpn']}`;
  const attempts =
    args['attempts'] === undefined || kind !== 'fault' ? '' : `, ${args['attempts']} ${args['attempts'] === 1 ? 'attempt' : 'attempts'}`;
  return `${what}, ${endUs - startUs} us${vpn}${attempts}${cut === 'none' ? '' : ', not all of it is in the trace'}`;
}

export function timelineData({ titles, endUs, slices, wakes }: Timeline): TimelineData {
  return {
    titles,
    endUs,
    shown: commonStretch(titles.length, endUs, slices),
    slices: slices.map((slice) => [
      slice.cpu,
      SLICE_KINDS.indexOf(slice.kind),
      lookOf(slice),
      slice.startUs,
      slice.endUs,
      sliceText(slice),
    ]),
    wakes: wakes.map(({ fromCpu, toCpu, wokenByUs, ranAtUs }) => [fromCpu, toCpu, wokenByUs, ranAtUs]),
    rows: SLICE_KINDS.length,
  };
}

/** CPUs that had much to tell remember less of the past. Devices, which tell little, do not count, nor does a CPU without slices. */
function commonStretch(cpus: number, endUs: number, slices: readonly Slice[]): readonly [number, number] {
  const withFaults = Array.from({ length: cpus }, (_, cpu) => slices.filter((slice) => slice.cpu === cpu)).filter((own) =>
    own.some(({ kind }) => kind === 'fault'),
  );
  const fromUs = Math.max(0, ...withFaults.map((own) => Math.min(...own.map(({ startUs }) => startUs))));
  const toUs = Math.min(endUs, ...withFaults.map((own) => Math.max(...own.map(({ endUs: end }) => end))));
  return toUs > fromUs ? [fromUs, toUs] : [0, Math.max(1, endUs)];
}

/**
 * Translates page numbers of a trace (35 bits and more) to the model's 31 bits and back. Order is kept, everything that
 * the trace mentions keeps its distances, and only wide gaps that nothing lies in become narrower.
 * Next: thread_program.ts
 */

import { UsageError } from '@faultlab/core/base/errors';
import { pageOf } from './events.ts';
import { createdBy, type PageRange, pagesOfArea, requestedBy } from './ranges.ts';
import { OpKind, type Timeline } from './timeline.ts';

/** Plain data. Window i is traceStart[i] .. + pages[i] in the trace and modelStart[i] .. + pages[i] in the model; both ascend. */
export interface AddressWindows {
  readonly traceStart: readonly number[];
  readonly modelStart: readonly number[];
  readonly pages: readonly number[];
}

/** The windows of a whole trace. A fork's copy has the windows of its parent; an exec starts new ones. */
export interface TraceWindows {
  readonly windows: readonly AddressWindows[];
  /** For each address space of the timeline, the index of its windows. */
  readonly ofSpace: Int32Array;
}

export const MODEL_PAGES: number = 2 ** 31;
/** Windows start and end at multiples of this (2 MiB), so that the alignment of what is inside stays. */
const ALIGN = 512;
/** The first window starts no lower: the lowest pages are not mappable in the model either. */
const LOWEST_PAGE = 16;
const LOWEST_START = Math.ceil(LOWEST_PAGE / ALIGN) * ALIGN;
/** Gaps up to this many pages stay as they are; when that does not fit, the next one is tried. */
const GAPS_KEPT = [2 ** 26, 2 ** 22, 2 ** 18, 2 ** 14];
const GAP_SHRUNK_MAX = 2 ** 20;

/** The model's page for a page of the trace. Pages between windows go into the gap between them, as far as it reaches. */
export function toModel(windows: AddressWindows, page: number): number {
  return translate(windows.traceStart, windows.modelStart, windows.pages, page);
}

/** The trace's page for a page of the model: toModel backwards, exact inside the windows. */
export function toTrace(windows: AddressWindows, page: number): number {
  return translate(windows.modelStart, windows.traceStart, windows.pages, page);
}

/** Builds the windows that cover `ranges`. Throws UsageError when they do not fit below `limit` pages. */
export function windowsAround(ranges: readonly PageRange[], limit: number = MODEL_PAGES): AddressWindows {
  const clusters = joined(
    ranges.filter(({ start, end }) => start < end).map(({ start, end }) => ({ start: alignDown(start), end: alignUp(end) })),
    0,
  );
  for (const kept of GAPS_KEPT) {
    const windows = placed(joined(clusters, kept), Math.min(GAP_SHRUNK_MAX, kept / 4));
    const last = windows.pages.length - 1;
    if (last < 0 || (windows.modelStart[last] as number) + (windows.pages[last] as number) <= limit) return windows;
  }
  const pages = clusters.reduce((sum, { start, end }) => sum + end - start, 0);
  throw new UsageError(
    `The trace's areas span ${pages} pages in one address space, and the model has ${limit}; record a program that reserves less memory (sanitizers and some garbage collectors reserve terabytes).`,
  );
}

/** Windows for every address space of a trace. Throws UsageError when one does not fit. */
export function windowsOf(timeline: Timeline, limit: number = MODEL_PAGES): TraceWindows {
  const families: number[] = [];
  const ofSpace = Int32Array.from(timeline.spaces, () => 0);
  timeline.spaces.forEach(({ parent }, space) => {
    ofSpace[space] = parent === -1 ? families.push(space) - 1 : (ofSpace[parent] as number);
  });
  const mentioned = families.map(() => ({ ranges: [] as PageRange[], blocks: new Set<number>() }));
  const { ops, details, growth, spaces } = timeline;
  for (let op = 0; op < ops.count; op++) {
    const space = ops.space[op] as number;
    if (space === -1) continue;
    const { ranges, blocks } = mentioned[ofSpace[space] as number] as (typeof mentioned)[number];
    if (ops.kind[op] === OpKind.fault) blocks.add(Math.floor(pageOf(ops.value[op] as number) / ALIGN));
    else ranges.push(...mentionedBy(details[ops.value[op] as number] as Timeline['details'][number]));
  }
  for (const [op, record] of growth) mentioned[ofSpace[ops.space[op] as number] as number]?.ranges.push(pagesOfArea(record));
  spaces.forEach(({ start_brk }, space) => {
    if (start_brk > 0) mentioned[ofSpace[space] as number]?.ranges.push(onePage(pageOf(start_brk)));
  });
  const windows = mentioned.map(({ ranges, blocks }) =>
    windowsAround([...ranges, ...Array.from(blocks, (block) => ({ start: block * ALIGN, end: block * ALIGN + 1 }))], limit),
  );
  return { windows, ofSpace };
}

const alignDown = (page: number): number => Math.floor(page / ALIGN) * ALIGN;
const alignUp = (page: number): number => Math.ceil(page / ALIGN) * ALIGN;
const onePage = (page: number): PageRange => ({ start: page, end: page + 1 });

/** Areas count whole; of what a call merely asks about, such as a munmap over a wide gap, only the two ends count. */
function mentionedBy(detail: Timeline['details'][number]): PageRange[] {
  const ranges = [createdBy(detail)];
  if (detail.kind !== 'call') return ranges;
  for (const record of detail.records) ranges.push(pagesOfArea(record));
  const { args } = detail;
  const asked = requestedBy(args);
  if (args.call === 'mmap') ranges.push(asked);
  else if (asked.start < asked.end) ranges.push(onePage(asked.start), onePage(asked.end - 1));
  if (args.call === 'mremap' && args.new_addr > 0) ranges.push(onePage(pageOf(args.new_addr)));
  if (args.call === 'brk' && args.brk > 0) ranges.push(onePage(pageOf(args.brk)));
  return ranges;
}

/** Sorts ranges and joins those that overlap or lie at most `gap` pages apart. */
function joined(ranges: readonly PageRange[], gap: number): PageRange[] {
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start - last.end <= gap) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

function placed(clusters: readonly PageRange[], gap: number): AddressWindows {
  const first = clusters[0];
  const traceStart = clusters.map(({ start }) => start);
  const pages = clusters.map(({ start, end }) => end - start);
  const modelStart: number[] = [];
  let next = Math.max(LOWEST_START, Math.min(first?.start ?? 0, gap));
  for (const length of pages) {
    modelStart.push(next);
    next += length + gap;
  }
  return { traceStart, modelStart, pages };
}

function translate(from: readonly number[], to: readonly number[], pages: readonly number[], page: number): number {
  let low = 0;
  let high = from.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((from[middle] as number) > page) high = middle;
    else low = middle + 1;
  }
  const index = low - 1;
  // Below the first window: as far below it as there is room.
  if (index < 0) return from.length === 0 ? page : Math.max(0, (to[0] as number) - ((from[0] as number) - page));
  const moved = (to[index] as number) + (page - (from[index] as number));
  const inside = page < (from[index] as number) + (pages[index] as number);
  const next = to[index + 1];
  return inside || next === undefined ? moved : Math.min(moved, next - 1);
}

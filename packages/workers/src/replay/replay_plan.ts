/**
 * Everything that a replay needs, worked out before a machine exists: which CPU does what, in which places, and how large the machine is.
 * Next: replay_trace.ts boots the machine and runs the plan.
 */
import type { MachineSize } from '@faultlab/core/memory/limits';
import { TASK_SIZE_VPN } from '@faultlab/core/mm/mman';
import { type AddressWindows, windowsOf } from '../perf_script/address_windows.ts';
import { pageAfter } from '../perf_script/events.ts';
import { type Order, orderOf } from '../perf_script/order.ts';
import { programOf } from '../perf_script/thread_program.ts';
import { detailOf, OpKind, type Timeline, type TraceFile } from '../perf_script/timeline.ts';
import { waitsForAreas } from './anon_order.ts';
import { assignCpus } from './assign_cpus.ts';
import { heapPage, type Places } from './compile_call.ts';
import { compileProgram } from './compile_program.ts';
import { machineNeed } from './machine_need.ts';
import { replayWords } from './replay_map.ts';
import { NO_FILE, type ReplayMap, type ReplayProgram } from './replay_program.ts';

/** An address space that exists before the first operation. */
export interface InitialSpace {
  readonly space: number;
  readonly heap: number;
}

export interface ReplayPlan {
  readonly timeline: Timeline;
  readonly order: Order;
  /** By thread of the trace. */
  readonly programs: readonly ReplayProgram[];
  /** Threads of the trace, by CPU. */
  readonly cpus: readonly (readonly number[])[];
  readonly map: ReplayMap;
  readonly size: MachineSize;
  readonly initial: readonly InitialSpace[];
  /** Pages of each file. */
  readonly filePages: readonly number[];
  readonly stackPagesMax: number;
  windowsOf(space: number): AddressWindows;
  fileName(file: number): string;
}

/** The usual limit of a stack, in pages: 8 MiB. A trace with larger stacks had a higher one. */
const STACK_PAGES = 2048;

/** @param onDevice see machineNeed(). @throws UsageError when the trace does not fit a machine */
export function planReplay(timeline: Timeline, onDevice = false): ReplayPlan {
  const found = orderOf(timeline);
  const waits = waitsForAreas(timeline, found);
  const order: Order = { ...found, waits, count: waits.reduce((sum, { thread }) => sum + thread.length, 0) };
  const { windows, ofSpace } = windowsOf(timeline, TASK_SIZE_VPN);
  const files: TraceFile[] = [...timeline.files];
  const numbers = new Map(files.map(({ identity }, index) => [identity, index]));
  const windowsIn = (space: number): AddressWindows => windows[ofSpace[space] as number] as AddressWindows;
  const placesOf = (space: number): Places => ({
    windows: windowsIn(space),
    fileOf: (identity) => (identity === '' ? NO_FILE : (numbers.get(identity) ?? NO_FILE)),
    unknownFile: (pages) => files.push({ identity: '', name: 'a file that the trace does not name', pages }) - 1,
  });
  const awaited = awaitedOps(timeline, order);
  const surroundings = { spaces: timeline.spaces, firstNs: timeline.summary.firstNs, placesOf };
  const programs = timeline.threads.map((_, thread) =>
    compileProgram(programOf(timeline, order, thread), awaited[thread] as Uint8Array, surroundings),
  );
  const cpus = assignCpus(timeline, order);
  const map = { threads: timeline.threads.length, spaces: timeline.spaces.length, files: files.length };
  return {
    timeline,
    order,
    programs,
    cpus,
    map,
    size: machineNeed(timeline, files, cpus.length, replayWords(map), onDevice),
    initial: initialSpaces(timeline, placesOf),
    filePages: files.map(({ pages }) => pages),
    stackPagesMax: largestStack(timeline),
    windowsOf: windowsIn,
    fileName: (file) => files[file]?.name ?? '',
  };
}

/** For each thread, which of its operations another thread waits for. */
function awaitedOps(timeline: Timeline, order: Order): Uint8Array[] {
  const awaited = timeline.threads.map(({ ops }) => new Uint8Array(ops.length));
  for (const { thread, count } of order.waits) {
    thread.forEach((other, index) => {
      (awaited[other] as Uint8Array)[(count[index] as number) - 1] = 1;
    });
  }
  return awaited;
}

function initialSpaces(timeline: Timeline, placesOf: (space: number) => Places): InitialSpace[] {
  return timeline.spaces.flatMap(({ origin, start_brk }, space) =>
    origin === 'initial' ? [{ space, heap: heapPage(placesOf(space), start_brk) }] : [],
  );
}

function largestStack(timeline: Timeline): number {
  let bytes = 0;
  for (const { len } of timeline.growth.values()) bytes = Math.max(bytes, len);
  for (let op = 0; op < timeline.ops.count; op++) {
    if (timeline.ops.kind[op] !== OpKind.area) continue;
    const detail = detailOf(timeline, op);
    if (detail.kind === 'area' && detail.record.name === '[stack]') bytes = Math.max(bytes, detail.record.len);
  }
  return Math.max(STACK_PAGES, pageAfter(bytes));
}

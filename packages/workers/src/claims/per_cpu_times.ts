/**
 * How long the operations of one CPU took, read from its latency buckets after a run. Only a part of the operations is timed: every eighth one, if it is
 * an access, and every second one, if it is a call (program/program_work.ts). So a list of operations is laid out here.
 */
import { LATENCY_PATHS, type LatencyPath } from '../arena_map.ts';
import type { Machine } from '../machine.ts';
import { readBuckets } from '../program/latency.ts';
import { type Op, op } from '../program/op.ts';

/** Of the operations that were timed, in milliseconds; all 0 when there are none. */
export interface Times {
  readonly timed: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Times of one CPU, on one path or on several together. */
export type CpuTimes = (...paths: readonly LatencyPath[]) => Times;

/** Every way of a user access through the fault handler. */
export const FAULT_PATHS: readonly LatencyPath[] = ['fault: vma lock', 'fault: mmap fallback', 'fault: retry'];

interface Bucket {
  readonly ns: number;
  readonly count: number;
}

/** What the machine's buckets say now. */
export function timesOf(machine: Machine, cpu: number): CpuTimes {
  const { memory, arena } = machine;
  const all = new Map(LATENCY_PATHS.map((path, index) => [path, readBuckets(memory.user, arena.latency(cpu), index)]));
  return (...paths) => summary(paths.flatMap((path) => all.get(path) ?? []));
}

function summary(buckets: readonly Bucket[]): Times {
  const sorted = [...buckets].sort((a, b) => a.ns - b.ns);
  const timed = sorted.reduce((sum, { count }) => sum + count, 0);
  if (timed === 0) return { timed, mean: 0, p50: 0, p99: 0, max: 0 };
  const at = (share: number): number => {
    let left = Math.max(1, Math.ceil(timed * share));
    for (const { ns, count } of sorted) {
      left -= count;
      if (left <= 0) return ns / 1e6;
    }
    return 0;
  };
  const mean = sorted.reduce((sum, { ns, count }) => sum + ns * count, 0) / timed / 1e6;
  return { timed, mean, p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** A list of which the first operation is timed each time: something short is added until its length is a multiple of eight. */
export const firstTimed = (list: readonly Op[]): Op[] => [
  ...list,
  ...Array.from({ length: (8 - (list.length % 8)) % 8 }, () => op('yield')),
];

/** A list of calls that are all timed: each is followed by something short. */
export const allTimed = (calls: readonly Op[]): Op[] => calls.flatMap((call) => [call, op('yield')]);

/** A list of which every operation is timed now and then: its length is odd. */
export const oddList = (list: readonly Op[]): Op[] => (list.length % 2 === 1 ? [...list] : [...list, op('nop')]);

/**
 * How many operations took which way, and how long the timed ones took.
 */

import { LATENCY_PATHS, type LatencyPath } from '../arena_map.ts';
import type { Counters } from '../deltas.ts';
import type { LatencySummary } from '../latency_totals.ts';
import { type OpName, opKind } from '../program/op.ts';
import type { OutcomeCount } from '../program/outcome_counts.ts';
import { duration, grouped } from './numbers.ts';
import { textTable } from './text_table.ts';

const OPS_OF: Readonly<Partial<Record<LatencyPath, readonly OpName[]>>> = {
  'kernel access': ['kernel_read', 'kernel_write'],
  'remote access': ['remote_read', 'remote_write'],
  mmap: ['mmap'],
  munmap: ['munmap'],
  mprotect: ['mprotect'],
  mremap: ['mremap'],
  madvise: ['madvise'],
  mlock: ['mlock'],
  brk: ['brk'],
  fork: ['fork_give'],
  'fork and exit': ['fork_check'],
  'process round': ['process_round'],
};

/** @returns lines; paths that nothing took are left out */
export function pathTable(counters: Counters, outcomes: readonly OutcomeCount[], latency: readonly LatencySummary[]): string[] {
  const rows = LATENCY_PATHS.flatMap((path) => {
    const timed = latency.find((summary) => summary.path === path);
    const count = countOf(path, counters, outcomes);
    if ((count ?? 0) === 0 && timed === undefined) return [];
    const times = timed === undefined ? ['-', '-', '-', '-'] : [timed.p50, timed.p99, timed.p999, timed.max].map(duration);
    return [[path, count === undefined ? '-' : grouped(count), grouped(timed?.timed ?? 0), ...times]];
  });
  return textTable(['path', 'count', 'timed', 'p50', 'p99', 'p99.9', 'max'], rows, ['left']);
}

/** Exact, from the counters or from what the operations returned; undefined where only timed ones are known. */
function countOf(path: LatencyPath, counters: Counters, outcomes: readonly OutcomeCount[]): number | undefined {
  if (path === 'fault: vma lock') return counters.vma_lock_success;
  if (path === 'fault: retry') return counters.vma_lock_retry;
  if (path === 'fault: mmap fallback') return counters.mmap_attempts;
  const kinds = OPS_OF[path]?.map(opKind);
  if (kinds === undefined) return undefined;
  return outcomes.filter((outcome) => kinds.includes(outcome.kind)).reduce((sum, outcome) => sum + outcome.count, 0);
}

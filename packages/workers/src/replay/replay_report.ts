/**
 * The text of a replay: what the trace holds, how the model fared, where they differ, and one line with the verdict.
 * Next: ../cli/replay.ts
 */

import { lockStatTable } from '../report/lock_stat_table.ts';
import { duration, grouped, short } from '../report/numbers.ts';
import { textTable } from '../report/text_table.ts';
import { vmstatTable } from '../report/vmstat_table.ts';
import type { FaultPath } from './fault_counts.ts';
import { type ReplayResult, verdictLine } from './replay_result.ts';

const PATH_NAMES: readonly (readonly [FaultPath, string])[] = [
  ['vmaLock', 'vma lock'],
  ['mmapLock', 'mmap_lock'],
  ['retry', 'retry'],
  ['none', 'already mapped'],
  ['refused', 'refused'],
];

/** @returns lines; the last one is the verdict */
export function replayReport(result: ReplayResult): string[] {
  return [
    ...headLines(result),
    '',
    ...traceLines(result),
    '',
    ...runLines(result),
    ...ioLines(result),
    '',
    'Faults by kind: in the trace (present: mapped, but not for this access), and by the way they took in the model',
    ...faultTable(result),
    '',
    'Latency in the model',
    ...latencyTable(result),
    '',
    "# faultlab: a model's counters, under the names of /proc/vmstat",
    ...vmstatTable(result.counters),
    '',
    ...lockStatTable(result.locks),
    ...injectLines(result),
    ...noteLines(result),
    ...differenceLines(result),
    ...violationLines(result),
    '',
    verdictLine(result),
  ];
}

function headLines({ environment: host, policy, speed }: ReplayResult): string[] {
  const cores = `${host.cores} core${host.cores === 1 ? '' : 's'}`;
  return [
    `A model on ${cores} (${host.cpuModel}, Node ${host.node.slice(1)}), not a kernel: directions and mechanisms, not a kernel's speed.`,
    `Policy ${policy}, speed ${speed}.`,
  ];
}

function traceLines({ trace, programs, name }: ReplayResult): string[] {
  const { faults } = trace;
  const calls = Object.entries(trace.calls).filter(([, count]) => count > 0);
  const ignored = Object.entries(trace.ignored).map(([event, count]) => `${event} (${grouped(count)})`);
  return [
    `Trace ${name}: ${programs.join(', ')}; ${grouped(trace.lines)} lines, ${seconds(trace.lastNs - trace.firstNs)} recorded`,
    `  ${plural(trace.processes, 'process', 'processes')}, ${plural(trace.threads, 'thread')}, ${plural(trace.spaces, 'address space')}, ${plural(trace.files, 'file')}`,
    `  ${plural(faults.total, 'fault')}: ${grouped(faults.read)} read, ${grouped(faults.write)} write, ${grouped(faults.exec)} exec; ${grouped(faults.absent)} absent, ${grouped(faults.present)} present`,
    `  system calls: ${calls.length === 0 ? 'none' : calls.map(([call, count]) => `${call} ${grouped(count)}`).join(', ')}`,
    `  areas reported by the kernel: ${grouped(trace.areas)}`,
    `  lost events: ${trace.lost === 0 ? 'none' : `LOST ${grouped(trace.lost)}; what they changed is missing below`}`,
    ...(trace.unpaired === 0 ? [] : [`  calls without their beginning or end: ${grouped(trace.unpaired)}, left out`]),
    ...(ignored.length === 0 ? [] : [`  events not used: ${ignored.join(', ')}`]),
  ];
}

const seconds = (ns: number): string => duration(Math.max(0, ns));
const plural = (count: number, one: string, many: string = `${one}s`): string => `${grouped(count)} ${count === 1 ? one : many}`;

function runLines({ cpus, wallMs, cpuMs, faults, ops }: ReplayResult): string[] {
  const rate = wallMs === 0 ? 0 : faults.replayed / (wallMs / 1000);
  const share = cpuMs === undefined ? '' : ` (${(cpuMs / 1000).toFixed(3)} s of CPU time, the loading of the code included)`;
  return [
    `${plural(cpus, 'CPU')} replayed ${grouped(ops.done)} of ${plural(ops.total, 'operation')} in ${(wallMs / 1000).toFixed(3)} s${share}: ${short(rate)} faults/s`,
    `${plural(ops.sleptForOrder, 'time')} a CPU slept until another one was as far as in the trace`,
  ];
}

/** What the device did, and what that did to the locks. */
function ioLines({ io, counters }: ReplayResult): string[] {
  if (io === null) return [];
  const start = io.start === 'cold' ? 'no page of a file was in memory at the start' : 'all pages of files were in memory at the start';
  return [
    `Files on a device (${io.model}); ${start}`,
    `  ${plural(io.reads, 'read')} of ${plural(io.pagesRead, 'page')}, ${plural(io.writes, 'write')} of ${plural(io.pagesWritten, 'page')}; the longest took ${duration(io.latencyUsMax * 1000)}`,
    `  ${plural(counters.pgmajfault, 'major fault')}; the fault lock was dropped for I/O ${plural(counters.lock_dropped_for_io, 'time')}; ` +
      `attempts that ended with a retry: ${grouped(counters.faults_retried)}, of them under the VMA lock again: ${grouped(counters.faults_retried_vma)}`,
    `  faults finished under the VMA lock: ${grouped(counters.vma_lock_success)}; attempts under mmap_lock: ${grouped(counters.mmap_attempts)}; ` +
      `mmap_lock taken for reading: ${grouped(counters.mmap_read_acquired)}`,
  ];
}

function faultTable({ faults }: ReplayResult): string[] {
  const rows = faults.rows.map(({ kind, present, count, byPath }) => [
    kind,
    present ? 'present' : 'absent',
    grouped(count),
    ...PATH_NAMES.map(([path]) => grouped(byPath[path])),
  ]);
  const all = [
    'all',
    '',
    grouped(faults.rows.reduce((sum, { count }) => sum + count, 0)),
    ...PATH_NAMES.map(([path]) => grouped(faults.rows.reduce((sum, { byPath }) => sum + byPath[path], 0))),
  ];
  return textTable(['kind', 'in the trace', 'count', ...PATH_NAMES.map(([, name]) => name)], [...rows, all], ['left', 'left']);
}

function latencyTable({ latency }: ReplayResult): string[] {
  const rows = latency.map(({ path, timed, p50, p99, p999, max }) => [path, grouped(timed), ...[p50, p99, p999, max].map(duration)]);
  return textTable(['path', 'count', 'p50', 'p99', 'p99.9', 'max'], rows, ['left']);
}

function injectLines({ inject }: ReplayResult): string[] {
  if (inject === undefined) return [];
  return ['', `${inject.counts}; ${plural(inject.repeated, 'operation')} that one of these had ended, done again`];
}

function noteLines({ faults, skipped }: ReplayResult): string[] {
  const lines: string[] = [];
  if (faults.refusedAsExpected > 0) {
    lines.push(`${plural(faults.refusedAsExpected, 'fault')} outside of what the areas allow ended with a signal, as in the trace`);
  }
  for (const [reason, count] of Object.entries(skipped)) lines.push(`not carried out: ${reason}, ${plural(count, 'time')}`);
  return lines.length === 0 ? [] : ['', ...lines];
}

function differenceLines({ differences, unexpected, areas, ops }: ReplayResult): string[] {
  const total = unexpected + (ops.done === ops.total ? areas.total - areas.agreeing : 0);
  if (differences.length === 0) return [];
  const shown = total > differences.length ? `, the first ${differences.length} of ${grouped(total)}` : '';
  const lines = ['', `Differences${shown}`];
  for (const { tid, thread, time, operation, expected, got } of differences) {
    lines.push(`  ${time} ${thread} ${tid}: ${operation}`, `    expected  ${expected}`, `    got       ${got}`);
  }
  return lines;
}

function violationLines({ violations, message }: ReplayResult): string[] {
  const lines = violations.map(
    ({ id, message: what, cpu }) => `!!! ${id} broken, found by ${cpu === undefined ? 'the sweep' : `CPU ${cpu}`}: ${what}`,
  );
  if (message !== '') lines.push(...message.split('\n'));
  return lines.length === 0 ? [] : ['', ...lines];
}

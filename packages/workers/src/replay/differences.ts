/**
 * Puts what went another way than in the trace into the trace's own words: addresses in bytes, names of files, what was expected.
 * Next: replay_trace.ts
 */
import { errnoName } from '@faultlab/core/base/errno';
import { ACCESS_NAMES } from '@faultlab/core/user/access';
import { toTrace } from '../perf_script/address_windows.ts';
import { type AreaRecord, PAGE_BYTES, type SysArgs } from '../perf_script/events.ts';
import { type Detail, OpKind, type TraceThread } from '../perf_script/timeline.ts';
import { faultKind } from './fault_counts.ts';
import { NO_ADDRESS_SPACE, type RawDifference } from './replay_cpu.ts';
import type { ReplayPlan } from './replay_plan.ts';
import { type ModelArea, NO_FILE, type ReplayProgram, type Step } from './replay_program.ts';
import type { Difference } from './replay_result.ts';

const NS_PER_SECOND = 1e9;

/** The first `show` differences of all CPUs, in the order of the trace. */
export function describeDifferences(plan: ReplayPlan, raw: readonly RawDifference[], show: number): Difference[] {
  if (raw.length === 0) return [];
  const position = new Map(Array.from(plan.order.effects.order, (op, index) => [op, index]));
  const placed = raw.map((difference) => ({ difference, at: position.get(opOf(plan, difference)) ?? 0 }));
  placed.sort((a, b) => a.at - b.at);
  return placed.slice(0, show).map(({ difference }) => describe(plan, difference));
}

/** An operation in words: the call with its arguments, or the fault with its address. */
export function operationText(plan: ReplayPlan, thread: number, seq: number): string {
  const op = opOf(plan, { thread, seq });
  const { ops, details } = plan.timeline;
  if (ops.kind[op] === OpKind.fault) return `${faultKind(ops.code[op] as number)} fault at ${hex(ops.value[op] as number)}`;
  return detailText(details[ops.value[op] as number] as Detail);
}

function describe(plan: ReplayPlan, raw: RawDifference): Difference {
  const { thread, seq } = raw;
  const { tid, name } = plan.timeline.threads[thread] as TraceThread;
  const op = opOf(plan, raw);
  const timeNs = plan.timeline.ops.timeNs[op] as number;
  const time = `${Math.floor(timeNs / NS_PER_SECOND)}.${String(timeNs % NS_PER_SECOND).padStart(9, '0')}`;
  return { tid, thread: name, time, operation: operationText(plan, thread, seq), ...sides(plan, raw, op) };
}

function sides(plan: ReplayPlan, raw: RawDifference, op: number): { readonly expected: string; readonly got: string } {
  const program = plan.programs[raw.thread] as ReplayProgram;
  const space = program.space[raw.seq] as number;
  if (raw.what === 'fault') return { expected: accessText(program.outcome[raw.seq] as number), got: accessText(raw.got) };
  const step = program.steps[program.value[raw.seq] as number] as Step;
  if (raw.what === 'call') {
    const expected = step.do === 'call' ? step.expected : 0;
    return { expected: resultText(plan, space, step, expected), got: resultText(plan, space, step, raw.got) };
  }
  const record = recordOf(plan, op, raw.index);
  const expected = record === undefined ? 'nothing' : recordText(record);
  return { expected, got: raw.got === null ? 'no area there' : areaText(plan, space, raw.got) };
}

function recordOf(plan: ReplayPlan, op: number, index: number): AreaRecord | undefined {
  const { ops, details, growth } = plan.timeline;
  if (ops.kind[op] === OpKind.fault) return growth.get(op);
  const detail = details[ops.value[op] as number] as Detail;
  if (detail.kind === 'area') return detail.record;
  return detail.kind === 'call' ? detail.records[index] : undefined;
}

const opOf = (plan: ReplayPlan, { thread, seq }: { readonly thread: number; readonly seq: number }): number =>
  (plan.timeline.threads[thread] as TraceThread).ops[seq] as number;

/** 0 is served, otherwise the signal. */
function accessText(outcome: number): string {
  if (outcome === 0) return 'served';
  return outcome === NO_ADDRESS_SPACE ? 'no address space, because it could not be made' : (ACCESS_NAMES[outcome] ?? `outcome ${outcome}`);
}

function resultText(plan: ReplayPlan, space: number, step: Step, result: number): string {
  if (result < 0) return errnoName(result);
  const isAddress = step.do === 'call' && (step.call === 'mmap' || step.call === 'mremap' || step.call === 'brk');
  return isAddress ? hex(toTrace(plan.windowsOf(space), result) * PAGE_BYTES) : String(result);
}

const recordText = (record: AreaRecord): string =>
  boundsText(record.start, record.len, record.prot) + (record.file === '' ? '' : ` ${record.name} from ${hex(record.pgoff)}`);

function areaText(plan: ReplayPlan, space: number, area: ModelArea): string {
  const windows = plan.windowsOf(space);
  const start = toTrace(windows, area.start) * PAGE_BYTES;
  const end = (toTrace(windows, area.end - 1) + 1) * PAGE_BYTES;
  const file = area.file === NO_FILE ? '' : ` ${plan.fileName(area.file)} from ${hex(area.pgoff * PAGE_BYTES)}`;
  return boundsText(start, end - start, area.prot) + file;
}

const boundsText = (start: number, len: number, prot: string): string => `[${hex(start)}(${hex(len)})] ${prot}`;

function detailText(detail: Detail): string {
  switch (detail.kind) {
    case 'call':
      return callText(detail.args);
    case 'area':
      return `area made by the kernel (${detail.reason}): ${detail.record.name}`;
    case 'exec':
      return `exec of ${detail.name}`;
    case 'clone':
    case 'fork':
    case 'exit':
      return detail.kind;
  }
}

function callText({ call, ...args }: SysArgs): string {
  return `${call}(${Object.entries(args)
    .map(([name, value]) => `${name}: ${hex(value as number)}`)
    .join(', ')})`;
}

const hex = (value: number): string => (value < 0 ? String(value) : value === 0 ? '0' : `0x${value.toString(16)}`);

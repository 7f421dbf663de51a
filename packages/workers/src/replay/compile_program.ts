/**
 * The operations of one thread of a trace, ready for a CPU of the model.
 * Next: replay_plan.ts
 */
import { TASK_SIZE_VPN } from '@faultlab/core/mm/mman';
import { toModel } from '../perf_script/address_windows.ts';
import { pageOf } from '../perf_script/events.ts';
import type { ThreadProgram } from '../perf_script/thread_program.ts';
import { type Detail, OpKind, type TraceSpace } from '../perf_script/timeline.ts';
import { compileCall, heapPage, modelArea, type Places } from './compile_call.ts';
import type { AreaStyle, ModelArea, ReplayProgram, Step } from './replay_program.ts';

export interface Surroundings {
  readonly spaces: readonly TraceSpace[];
  readonly firstNs: number;
  placesOf(space: number): Places;
}

const NS_PER_MS = 1e6;

/** @param awaited 1 where another thread waits for the operation */
export function compileProgram(program: ThreadProgram, awaited: Uint8Array, surroundings: Surroundings): ReplayProgram {
  const steps: Step[] = [];
  const value = Int32Array.from(program.value, (raw, seq) => {
    const space = program.space[seq] as number;
    if (program.kind[seq] === OpKind.fault) return Math.min(toModel(surroundings.placesOf(space).windows, pageOf(raw)), TASK_SIZE_VPN - 1);
    return steps.push(compileStep(program.details[raw] as Detail, space, surroundings)) - 1;
  });
  const growth = new Map<number, ModelArea>();
  for (const [seq, record] of program.growth) growth.set(seq, modelArea(record, surroundings.placesOf(program.space[seq] as number)));
  return {
    thread: program.thread,
    kind: program.kind,
    space: program.space,
    value,
    code: program.code,
    timeMs: program.timeNs.map((ns) => (ns - surroundings.firstNs) / NS_PER_MS),
    outcome: program.outcome,
    waits: program.waits,
    awaited,
    steps,
    growth,
  };
}

function compileStep(detail: Detail, space: number, { spaces, placesOf }: Surroundings): Step {
  switch (detail.kind) {
    case 'call':
      return compileCall(detail, placesOf(space));
    case 'area':
      return { do: 'area', area: modelArea(detail.record, placesOf(space)), style: styleOf(detail) };
    case 'clone':
      return { do: 'clone' };
    case 'fork':
      return { do: 'fork', childSpace: detail.childSpace };
    case 'exec':
      return {
        do: 'exec',
        space: detail.space,
        heap: heapPage(placesOf(detail.space), (spaces[detail.space] as TraceSpace).start_brk),
      };
    case 'exit':
      return { do: 'exit', last: detail.last };
  }
}

/** Areas such as [vdso] and [vvar] never merge with their neighbours. */
function styleOf({ reason, record: { name } }: Detail & { readonly kind: 'area' }): AreaStyle {
  if (name === '[stack]') return 'stack';
  if (name.startsWith('[') && name !== '[heap]' && !name.startsWith('[anon')) return 'special';
  return reason === 'exec' ? 'segment' : 'plain';
}

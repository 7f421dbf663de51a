/**
 * What is known of a machine at the moment at which a schedule failed: read by the thread that found it, while nobody moves, because the
 * memory is put back soon after. With it a schedule is told, and exported, like a run on free-running threads.
 * Next: laid_out.ts makes a RunResult of it.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { type LockOrderEdge, readLockOrder } from '@faultlab/core/locking/lock_order_graph';
import { type LockStatRow, readLockStat } from '@faultlab/core/locking/lock_stat';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { readVmstatStates } from '@faultlab/core/mm/vmstat_state';
import { readCounters } from '@faultlab/core/trace/counters';
import { readTrace, type TraceEntry } from '@faultlab/core/trace/trace_ring';
import type { ArenaMap } from '../arena_map.ts';
import { environment } from '../environment.ts';
import { type CpuState, machineState } from '../machine_state.ts';
import { describeLoggedOp, type LoggedOp, readOpLog } from '../program/op_log.ts';
import { OutcomeCounts } from '../program/outcome_counts.ts';
import type { RunResult } from '../run_result.ts';
import { inSource } from '../source_lines.ts';
import type { Finding } from './finding.ts';

export interface Evidence {
  /** The last operations of each CPU. */
  readonly ops: readonly (readonly LoggedOp[])[];
  readonly state: readonly CpuState[];
  readonly trace: readonly (readonly TraceEntry[])[];
  readonly counters: RunResult['counters'];
  readonly states: RunResult['states'];
  readonly locks: readonly LockStatRow[];
  readonly lockOrder: readonly LockOrderEdge[];
  readonly nowMs: number;
}

export function collectEvidence(memory: SharedMemory, arena: ArenaMap, nowMs: number): Evidence {
  const cpus = Array.from({ length: memory.size.cpus }, (_, cpu) => cpu);
  const ops = cpus.map((cpu) => readOpLog(memory.user, arena, cpu));
  const describeOp = (cpu: number): string => {
    const last = ops[cpu]?.at(-1);
    return last === undefined ? 'no operation' : describeLoggedOp(last);
  };
  return {
    ops,
    state: machineState(memory, cpus, nowMs, describeOp),
    trace: cpus.map((cpu) => readTrace(memory, cpu as CpuId)),
    counters: readCounters(memory),
    states: readVmstatStates(memory),
    locks: readLockStat(memory),
    lockOrder: readLockOrder(memory),
    nowMs,
  };
}

/** The same as the result of a run. @param run what only the outside knows */
export function evidenceResult(
  { ops, state, trace, counters, states, locks, lockOrder, nowMs }: Evidence,
  findings: readonly Finding[],
  run: Pick<RunResult, 'policy' | 'cpus' | 'seed' | 'cpuTitles'>,
): RunResult {
  const outcomes = new OutcomeCounts();
  for (const { kind, result } of ops.flat()) if (result !== undefined) outcomes.add(kind, result);
  const opsByCpu = ops.slice(0, run.cpus).map((own) => own.length);
  return {
    ...run,
    verdict: 'failure',
    wallMs: nowMs,
    cpuMs: undefined,
    ops: opsByCpu.reduce((sum, count) => sum + count, 0),
    opsByCpu,
    counters,
    states,
    outcomes: outcomes.list(),
    latency: [],
    locks,
    lockOrder,
    violations: findings.map(({ id, message, cpu }) => ({ id, message, cpu })),
    trace,
    postMortem: {
      message: framesOf(findings[0]?.stack ?? '').join('\n'),
      lastOps: ops.map((own) => own.map(describeLoggedOp)),
      state,
      trace,
    },
    environment: environment(),
  };
}

const FRAMES_SHOWN = 8;

/** The way to the place where it was found. */
export function framesOf(stack: string): string[] {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return frames.slice(0, FRAMES_SHOWN).map(inSource);
}

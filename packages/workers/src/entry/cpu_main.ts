/**
 * The one long task of a CPU's thread: attach the memory, answer on the private channel, execute works until told to end.
 * Next: work.ts, program/run_program.ts
 */
import { readFileSync } from 'node:fs';
import { type MessagePort, threadId } from 'node:worker_threads';
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError, UsageError } from '@faultlab/core/base/errors';
import { cpuOffline, cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { RECORD_WORDS } from '@faultlab/core/memory/layout';
import { PC_PROGRESS } from '@faultlab/core/memory/percpu';
import { attachMemory, type MemoryHandle, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { ArchEntry } from '@faultlab/core/policy/arch_entry';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { takeSignals } from '@faultlab/core/sched/task';
import { type Endpoint, expose } from 'comlink';
import { type ArenaMap, arenaMap } from '../arena_map.ts';
import { collectGarbage } from '../collect_garbage.ts';
import { arriveAtGate, freezeOthers, isStopped, leave, stopRequested } from '../doorbell.ts';
import type { CpuControl, CpuReport, Work, WorkContext, WorkOrder } from '../work.ts';

/** What a thread needs to become a CPU. */
export interface CpuTask {
  readonly id: number;
  readonly handle: MemoryHandle;
  readonly policy: FaultPolicy;
  readonly arch: ArchEntry;
  readonly verify: boolean;
  readonly trace: boolean;
  readonly spin: boolean;
  /** The main thread's time origin, so that all CPUs share one clock. */
  readonly clockOrigin: number;
  readonly control: MessagePort;
}

/** Called by the pool, once per thread. Settles when the machine ends. */
export default function cpuMain(task: CpuTask): Promise<void> {
  return new Promise((resolve) => {
    const memory = attachMemory(task.handle);
    const arena = arenaMap(memory.size);
    const control: CpuControl = {
      hello: () => ({ threadId }),
      run: (order) => execute(task, memory, arena, order),
      collectGarbage,
      // A later turn of the loop: the answer to this very call must leave first.
      end: () => {
        setImmediate(() => {
          task.control.close();
          resolve();
        });
      },
    };
    expose(control, task.control as unknown as Endpoint);
  });
}

async function execute(task: CpuTask, memory: SharedMemory, arena: ArenaMap, order: WorkOrder): Promise<CpuReport<unknown>> {
  const cpu = cpuFor(task, memory, order);
  const startedMs = threadCpuMs();
  const report = await attempt(cpu, arena, order);
  const endedMs = threadCpuMs();
  const cpuMs = startedMs === undefined || endedMs === undefined ? undefined : endedMs - startedMs;
  return { cpu: task.id, cpuMs, ...report } as CpuReport<unknown>;
}

function cpuFor(task: CpuTask, memory: SharedMemory, { seed, inject = null }: WorkOrder): Cpu {
  const offset = performance.timeOrigin - task.clockOrigin;
  const ring = memory.size.traceEntries * RECORD_WORDS.traceEntry;
  memory.trace.fill(0, task.id * ring, (task.id + 1) * ring);
  return createCpu({
    id: task.id as CpuId,
    memory,
    now: () => performance.now() + offset,
    seed,
    inject,
    policy: task.policy,
    arch: task.arch,
    verify: task.verify,
    trace: task.trace && memory.size.traceEntries > 0,
    spin: task.spin,
  });
}

type Ending = Omit<CpuReport<unknown>, 'cpu' | 'cpuMs'> & { readonly end: CpuReport<unknown>['end'] };

async function attempt(cpu: Cpu, arena: ArenaMap, order: WorkOrder): Promise<Ending> {
  try {
    const loaded = (await import(order.module)) as { readonly default?: unknown };
    if (typeof loaded.default !== 'function') throw new UsageError(`The work ${order.module} has no default export that is a function.`);
    const work = loaded.default as Work<unknown, unknown>;
    takeSignals(cpu); // What an earlier run sent too late is not for this one.
    cpuOnline(cpu);
    const result = await work(contextOf(cpu, arena, order.seed), order.data);
    cpuOffline(cpu);
    leave(cpu);
    return { end: 'finished', result } as Ending;
  } catch (thrown) {
    if (isStopped(thrown)) return { end: 'frozen' };
    // Nobody unlocks anything on the way out: what the others would find is evidence now.
    freezeOthers(cpu);
    return endingOf(thrown);
  }
}

function endingOf(thrown: unknown): Ending {
  const error = thrown instanceof Error ? thrown : new Error(`something that is not an Error was thrown: ${String(thrown)}`);
  const { message, stack = '' } = error;
  if (error instanceof InvariantError) {
    return { end: 'violation', violation: { id: error.id, message: message.replace(`${error.id}: `, ''), stack } } as Ending;
  }
  if (error instanceof UsageError) return { end: 'misuse', message } as Ending;
  return { end: 'threw', message: `${error.name}: ${message}`, stack } as Ending;
}

function contextOf(cpu: Cpu, arena: ArenaMap, seed: number): WorkContext {
  const progressWord = cpu.percpu + PC_PROGRESS;
  return {
    cpu,
    arena,
    seed,
    arrive: () => arriveAtGate(cpu),
    stopRequested: () => stopRequested(cpu),
    progress: () => {
      cpu.words[progressWord] = ((cpu.words[progressWord] as number) + 1) | 0;
    },
  };
}

/** Milliseconds that this thread has run, from Linux's own accounting; undefined elsewhere. */
function threadCpuMs(): number | undefined {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return undefined;
  }
}

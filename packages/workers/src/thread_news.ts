/**
 * What a device or a background thread is given and says, and how it becomes a CPU.
 * Next: machine_threads.ts is the other side.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { freezeOthers, isStopped } from './doorbell.ts';
import { planFor } from './inject/apply.ts';
import type { Injection } from './inject/injections.ts';
import type { FoundViolation } from './work.ts';

/** What every such thread is started with. */
export interface ThreadTask {
  readonly cpu: number;
  readonly handle: MemoryHandle;
  readonly seed: number;
  readonly policy: FaultPolicy;
  readonly verify: boolean;
  readonly trace: boolean;
  readonly spin: boolean;
  /** What the thread meets while programs run. */
  readonly inject: readonly Injection[];
  /** The main thread's time origin, so that all CPUs share one clock. */
  readonly clockOrigin: number;
}

/** The same for all threads of a machine. */
export type CommonThreadTask = Omit<ThreadTask, 'cpu' | 'handle'>;

/** What the thread says: once that it is ready, and how it ended. */
export type ThreadNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'frozen' }
  | { readonly kind: 'violation'; readonly violation: FoundViolation }
  | { readonly kind: 'threw'; readonly message: string; readonly stack: string };

/** This thread as the CPU that the task names. @param thread what injections call it */
export function cpuOfThread(task: ThreadTask, thread: string): Cpu {
  const memory = attachMemory(task.handle);
  const offset = performance.timeOrigin - task.clockOrigin;
  return createCpu({
    id: task.cpu as CpuId,
    memory,
    now: () => performance.now() + offset,
    seed: task.seed,
    inject: planFor(task.inject, { cpu: task.cpu, seed: task.seed, role: 'background', thread }),
    policy: task.policy,
    verify: task.verify,
    trace: task.trace && memory.size.traceEntries > 0,
    spin: task.spin,
  });
}

/** Words for what ended the thread; whatever it was, the machine is frozen. */
export function endingOf(cpu: Cpu, thrown: unknown): ThreadNews {
  if (isStopped(thrown)) return { kind: 'frozen' };
  freezeOthers(cpu);
  const error = thrown instanceof Error ? thrown : new Error(`something that is not an Error was thrown: ${String(thrown)}`);
  const { message, stack = '' } = error;
  if (error instanceof InvariantError) {
    return { kind: 'violation', violation: { id: error.id, message: message.replace(`${error.id}: `, ''), stack } };
  }
  return { kind: 'threw', message: `${error.name}: ${message}`, stack };
}

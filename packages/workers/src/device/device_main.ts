/**
 * The thread of a block device: it attaches the memory, becomes a CPU of its own, so that it can take locks and wake tasks, and serves
 * until the machine is frozen or the thread is ended.
 * Next: core's io/device_server.ts
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { cpuOnline, createCpu } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { DeviceServer } from '@faultlab/core/io/device_server';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { freezeOthers, isStopped } from '../doorbell.ts';
import type { FoundViolation } from '../work.ts';

/** What a thread needs to become a device. */
export interface DeviceTask {
  readonly cpu: number;
  readonly device: number;
  readonly handle: MemoryHandle;
  readonly latency: LatencyModel;
  readonly seed: number;
  readonly policy: FaultPolicy;
  readonly verify: boolean;
  readonly trace: boolean;
  readonly spin: boolean;
  /** The main thread's time origin, so that all CPUs share one clock. */
  readonly clockOrigin: number;
}

/** What the thread says: once that it serves, and how it ended. */
export type DeviceNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'frozen' }
  | { readonly kind: 'violation'; readonly violation: FoundViolation }
  | { readonly kind: 'threw'; readonly message: string; readonly stack: string };

function main(task: DeviceTask, tell: (news: DeviceNews) => void): void {
  const memory = attachMemory(task.handle);
  const offset = performance.timeOrigin - task.clockOrigin;
  const cpu = createCpu({
    id: task.cpu as CpuId,
    memory,
    now: () => performance.now() + offset,
    seed: task.seed,
    policy: task.policy,
    verify: task.verify,
    trace: task.trace && memory.size.traceEntries > 0,
    spin: task.spin,
  });
  cpuOnline(cpu);
  const server = new DeviceServer(cpu, task.device as DeviceId, task.latency, task.seed);
  tell({ kind: 'ready' });
  try {
    server.serve();
  } catch (thrown) {
    tell(endingOf(cpu, thrown));
  }
}

function endingOf(cpu: Cpu, thrown: unknown): DeviceNews {
  if (isStopped(thrown)) return { kind: 'frozen' };
  freezeOthers(cpu);
  const error = thrown instanceof Error ? thrown : new Error(`something that is not an Error was thrown: ${String(thrown)}`);
  const { message, stack = '' } = error;
  if (error instanceof InvariantError) {
    return { kind: 'violation', violation: { id: error.id, message: message.replace(`${error.id}: `, ''), stack } };
  }
  return { kind: 'threw', message: `${error.name}: ${message}`, stack };
}

main(workerData as DeviceTask, (news) => parentPort?.postMessage(news));

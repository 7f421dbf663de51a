/**
 * A machine with block devices whose CPUs are all on one thread, and a clock that moves when the test says so.
 * Next: block_device.test.ts
 */
import type { CpuId, Pfn } from '@faultlab/core/base/brand';
import { createCpu } from '@faultlab/core/boot';
import type { Cpu, EndIo } from '@faultlab/core/cpu';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, type DeviceId, END_IO_NONE, type IoRequest, REQ_OP_READ, REQ_OP_WRITE } from '@faultlab/core/io/device_record';
import type { MachineSize } from '@faultlab/core/memory/limits';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { bootMemory } from '../fixtures/boot_memory.ts';
import { SMALL_SIZE } from '../fixtures/with_cpu.ts';

export const DISK: DeviceId = 0 as DeviceId;

export interface IoWorld {
  readonly memory: SharedMemory;
  /** CPU 0 submits, CPU 1 is the device. */
  readonly cpu: Cpu;
  readonly server: Cpu;
  readonly clock: { ms: number };
}

export interface IoWorldOptions {
  readonly size?: Partial<MachineSize>;
  /** A device without a server when not given. */
  readonly queueDepth?: number;
  readonly contents?: number;
  readonly endIo?: readonly EndIo[];
}

export function ioWorld(options: IoWorldOptions = {}): IoWorld {
  const memory = bootMemory({ ...SMALL_SIZE, devices: 2, deviceRequests: 8, deviceBlocks: 64, ...options.size });
  const clock = { ms: 1000 };
  const make = (id: number): Cpu =>
    createCpu({ id: id as CpuId, memory, now: () => clock.ms, ...(options.endIo === undefined ? {} : { endIo: options.endIo }) });
  const contents = options.contents ?? CONTENTS_BLANK;
  if (options.queueDepth === undefined) setupDevice(memory, DISK, { queueDepth: 8, contents });
  else setupDevice(memory, DISK, { queueDepth: options.queueDepth, contents, server: 1 as CpuId });
  return { memory, cpu: make(0), server: make(1), clock };
}

/** A read of consecutive blocks into the frames from `pfn` on. */
export function reading(first: number, pfn = 1, count = 1, extent = 0): IoRequest {
  const pages = Array.from({ length: count }, (_, i) => (pfn + i) as Pfn);
  return { op: REQ_OP_READ, extent, first, pages, endIo: END_IO_NONE, argument: 0 };
}

export const writing = (first: number, pfn = 1, count = 1, extent = 0): IoRequest => ({
  ...reading(first, pfn, count, extent),
  op: REQ_OP_WRITE,
});

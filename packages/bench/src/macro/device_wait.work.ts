/** See device_wait.ts: one request after the other, each timed from before its submission to after its wait. */
import type { Pfn } from '@faultlab/core/base/brand';
import { submitRequestWait, waitForRequest } from '@faultlab/core/io/block_device';
import { type DeviceId, END_IO_NONE, REQ_OP_READ } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import type { WorkContext } from '@faultlab/workers/work';

export interface DeviceWaitData {
  readonly requests: number;
}

/** Microseconds. */
export interface DeviceWaitResult {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** From submission to the end of service as the device saw it, on average. */
  readonly serviceUs: number;
}

const DISK = 0 as DeviceId;
const US_PER_MS = 1000;

export default function deviceWaitWork(context: WorkContext, { requests }: DeviceWaitData): DeviceWaitResult {
  const { cpu } = context;
  const page: Pfn = alloc_page(cpu);
  context.arrive();
  const once = (block: number): number => {
    const before = cpu.now();
    waitForRequest(
      cpu,
      DISK,
      submitRequestWait(cpu, DISK, { op: REQ_OP_READ, extent: 1, first: block, pages: [page], endIo: END_IO_NONE, argument: 0 }),
    );
    context.progress();
    return (cpu.now() - before) * US_PER_MS;
  };
  const before = readDeviceStats(cpu.memory, DISK).latencyUsTotal;
  const took = Float64Array.from({ length: requests }, (_, i) => once(i)).sort();
  const serviceUs = (readDeviceStats(cpu.memory, DISK).latencyUsTotal - before) / requests;
  folio_put(cpu, page);
  const at = (part: number): number => took[Math.min(requests - 1, Math.floor(requests * part))] as number;
  return { p50: at(0.5), p99: at(0.99), max: at(1), serviceUs };
}

/**
 * How much longer than the device a fault takes that has to wait for it, one fault at a time, under each way to wait.
 * Next: fault_wait.work.ts
 */
import { policyByName } from '@faultlab/core/policy/policies';
import { bootMachine } from '@faultlab/workers';
import type { Benchmark, Row } from '../benchmark.ts';
import type { FaultWaitData, FaultWaitResult } from './fault_wait.work.ts';

const OVERHEAD_US_TARGET = 40;
const LATENCY_US = 200;
const FAULTS = 2_000;
const POLICIES: readonly string[] = ['linux-6.18', 'retry-vma', 'hold', 'reacquire'];
const SMALL = { mms: 8, vmas: 64, frames: 8192, tables: 64, anonVmas: 64, avcs: 64 };

export const faultWait: Benchmark = {
  name: 'fault_wait',
  question: 'how much longer than the device does a fault take that waits for it, one at a time?',
  run: async (smoke) => {
    const rows: Row[] = [];
    for (const policy of smoke ? POLICIES.slice(0, 1) : POLICIES) rows.push(await waitsUnder(policy, smoke ? 20 : FAULTS));
    return rows;
  },
};

async function waitsUnder(name: string, faults: number): Promise<Row> {
  const devices = [{ latency: `fixed:${LATENCY_US}us` }];
  await using machine = await bootMachine({ cpus: 1, size: SMALL, trace: false, devices, policy: policyByName(name) });
  const work = new URL('./fault_wait.work.js', import.meta.url);
  const run = async (): Promise<{ result: FaultWaitResult; cpuMs: number | undefined }> => {
    const { reports } = await machine.run<FaultWaitData, FaultWaitResult>({ work, data: () => ({ faults }) });
    const [report] = reports;
    if (report?.end !== 'finished') throw new Error(`the run ended with ${JSON.stringify(report)}`);
    return { result: report.result, cpuMs: report.cpuMs };
  };
  await run(); // What compiling costs is not the wait's.
  const { result, cpuMs } = await run();
  const cpuUs = cpuMs === undefined ? 'unknown' : `${((cpuMs * 1000) / faults).toFixed(1)} us`;
  const value = result.p50 - LATENCY_US;
  if (value < 0) throw new Error('the faults did not wait for the device, so there is nothing to compare');
  return {
    task: `fault that waits ${LATENCY_US} us for a device, less that, ${name}`,
    value,
    unit: 'us',
    p99: result.p99 - LATENCY_US,
    max: result.max - LATENCY_US,
    detail: `processor time of the faulting CPU per fault: ${cpuUs}`,
    target: `<= ${OVERHEAD_US_TARGET}`,
    met: value <= OVERHEAD_US_TARGET,
  };
}

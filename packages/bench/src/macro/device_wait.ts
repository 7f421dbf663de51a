/**
 * How much longer than the device a CPU waits that asks for one page at a time: what it takes to hand a request over, to notice that its
 * time is up, and to wake the CPU again. The processor time of both threads says whether somebody polled.
 * Next: device_wait.work.ts
 */
import { bootMachine } from '@faultlab/workers';
import type { FinishedRun } from '@faultlab/workers/run_in_progress';
import type { Benchmark, Row } from '../benchmark.ts';
import type { DeviceWaitData, DeviceWaitResult } from './device_wait.work.ts';

const OVERHEAD_US_TARGET = 40;
const LATENCIES_US: readonly number[] = [100, 200, 1000];
const JUDGED_US = 200;
const REQUESTS = 2_000;
const SMALL = { mms: 8, vmas: 64, frames: 512, tables: 32, anonVmas: 64, avcs: 64 };

export const deviceWait: Benchmark = {
  name: 'device_wait',
  question: 'how much longer than the device does a CPU wait, one request at a time?',
  run: async (smoke) => {
    const rows: Row[] = [];
    for (const latencyUs of smoke ? [JUDGED_US] : LATENCIES_US) rows.push(await waitsOf(latencyUs, smoke ? 20 : REQUESTS));
    return rows;
  },
};

async function waitsOf(latencyUs: number, requests: number): Promise<Row> {
  await using machine = await bootMachine({ cpus: 1, size: SMALL, trace: false, devices: [{ latency: `fixed:${latencyUs}us` }] });
  const work = new URL('./device_wait.work.js', import.meta.url);
  const run = (): Promise<FinishedRun<DeviceWaitResult>> =>
    machine.run<DeviceWaitData, DeviceWaitResult>({ work, data: () => ({ requests }) });
  await run(); // What compiling costs is not the wait's.
  const usage = process.cpuUsage();
  const { reports, wallMs } = await run();
  const { user, system } = process.cpuUsage(usage);
  const [report] = reports;
  if (report?.end !== 'finished') throw new Error(`the run ended with ${JSON.stringify(report)}`);
  const { p50, p99, max, serviceUs } = report.result;
  const perRequest = (us: number): string => `${(us / requests).toFixed(1)} us`;
  const waiter = report.cpuMs === undefined ? '' : `, the waiting CPU's ${perRequest(report.cpuMs * 1000)}`;
  const row: Row = {
    task: `wait for a device of ${latencyUs} us, less its own time`,
    value: p50 - latencyUs,
    unit: 'us',
    p99: p99 - latencyUs,
    max: max - latencyUs,
    detail:
      `processor time per request: all threads' ${perRequest(user + system)}${waiter}; ` +
      `${Math.round(requests / (wallMs / 1000))} requests/s; served after ${serviceUs.toFixed(1)} us on average`,
  };
  if (latencyUs !== JUDGED_US) return row;
  return { ...row, target: `<= ${OVERHEAD_US_TARGET}`, met: row.value <= OVERHEAD_US_TARGET };
}

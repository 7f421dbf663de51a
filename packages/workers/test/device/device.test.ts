/**
 * Block devices with threads of their own: everything that is submitted is served once, nobody sleeps for ever, and a device that stops in
 * any way ends the run with its name.
 */
import { StallError, UsageError } from '@faultlab/core/base/errors';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { type DeviceStats, readDeviceStats } from '@faultlab/core/io/device_stats';
import { requestsInUse } from '@faultlab/core/io/outstanding';
import { assert, suite } from '@faultlab/test-support';
import { type DeviceOptions, readLatency } from '@faultlab/workers/device/device_options';
import { CpuError } from '@faultlab/workers/errors';
import { bootMachine, type Machine } from '@faultlab/workers/machine';
import type { MachineOptions } from '@faultlab/workers/machine_config';
import type { FolioReaderData } from './folio_reader.work.ts';
import type { IoClientData, IoClientResult } from './io_client.work.ts';

const test = suite('device threads');
const work = new URL('./io_client.work.js', import.meta.url);
const DISK = 0 as DeviceId;
const SMALL = { mms: 8, vmas: 64, frames: 512, tables: 32, anonVmas: 64, avcs: 64, userWords: 1024, deviceRequests: 16, deviceBlocks: 256 };
const CPUS = 4;

interface ClientRun {
  readonly machine: Machine;
  readonly results: readonly IoClientResult[];
  readonly stats: DeviceStats;
}

async function clients(
  devices: readonly DeviceOptions[],
  data: Partial<IoClientData> & { readonly rounds: number },
  options: MachineOptions = {},
): Promise<ClientRun> {
  await using machine = await bootMachine({ cpus: CPUS, size: SMALL, devices, ...options });
  const { reports } = await machine.run<IoClientData, IoClientResult>({
    work,
    data: (cpu) => ({ window: 4, silenceAfter: 0, ...data, ...(cpu === 0 ? {} : { silenceAfter: 0 }) }),
  });
  const results = reports.map((report) => {
    assert.is(report.end, 'finished', JSON.stringify(report));
    return (report as { readonly result: IoClientResult }).result;
  });
  return { machine, results, stats: readDeviceStats(machine.memory, DISK) };
}

/** The error that a run ends with. */
async function failure(run: Promise<unknown>): Promise<Error> {
  try {
    await run;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the run ended well');
}

const check = (
  name: string,
  device: DeviceOptions,
  data: Partial<IoClientData> & { readonly rounds: number },
  wanted: (run: ClientRun) => void,
): void =>
  test(
    name,
    async () => {
      const run = await clients([device], data);
      const requests = run.results.reduce((sum, result) => sum + result.requests, 0);
      assert.is(requests, CPUS * data.rounds * 2 * (data.window ?? 4));
      assert.equal([run.stats.reads + run.stats.writes, run.stats.outstanding], [requests, 0], 'every request is served exactly once');
      assert.is(requestsInUse(run.machine.memory), 0);
      wanted(run);
    },
    { deadlineMs: 30_000 },
  );

check('4 CPUs without a thread of the device', {}, { rounds: 200 }, ({ machine }) => assert.is(machine.deviceWorkers.length, 0));
check('4 CPUs and a fast device', { latency: 'fixed:1us' }, { rounds: 500 }, ({ machine }) => assert.is(machine.deviceWorkers.length, 1));
check('4 CPUs and a device of depth 1', { latency: 'uniform:1us-100us', queueDepth: 1 }, { rounds: 40 }, ({ stats }) => {
  assert.is(stats.activeMax, 1);
});
check('more requests than the device has', { latency: 'fixed:20us', queueDepth: 8 }, { rounds: 40, window: 12 }, ({ stats, results }) => {
  assert.ok(stats.activeMax > 1 && stats.activeMax <= 8, `${stats.activeMax} in service at once`);
  assert.is(stats.outstandingMax, 16);
  assert.ok(results.some((result) => result.waited > 0));
});
check('latencies with a tail', { latency: 'lognormal:30us,sigma=1,tail=1%:3ms' }, { rounds: 50 }, ({ stats }) => {
  assert.ok(stats.latencyUsMax >= 3000, `the longest took ${stats.latencyUsMax} us`);
});
check('a device with errors', { latency: 'fixed:10us', errorRate: 0.1 }, { rounds: 100 }, ({ stats, results }) => {
  assert.is(
    results.reduce((sum, result) => sum + result.errors, 0),
    stats.errors,
  );
  assert.ok(stats.errors > 0);
});

test('no request is served before its time', async () => {
  const { stats } = await clients([{ latency: 'fixed:2ms' }], { rounds: 5, window: 1 });
  assert.ok(stats.latencyUsTotal >= 2000 * CPUS * 5 * 2, `${stats.latencyUsTotal} us in all`);
});

test('a device serves through several runs of its machine, and leaves no thread', async () => {
  const machine = await bootMachine({ cpus: 2, size: SMALL, devices: [{ latency: 'fixed:5us' }] });
  for (let run = 0; run < 3; run++) {
    await machine.run<IoClientData, IoClientResult>({ work, data: () => ({ rounds: 10, window: 2, silenceAfter: 0 }) });
  }
  const { reads, writes } = readDeviceStats(machine.memory, DISK);
  assert.equal([reads, writes, machine.usable], [120, 120, true]);
  const [worker] = machine.deviceWorkers;
  await machine.close();
  assert.is(worker?.threadId, -1, 'the thread has ended');
});

test('a device that falls silent stalls the machine, and the report names the request', async () => {
  const error = await failure(clients([{ latency: 'fixed:5us' }], { rounds: 100_000, window: 2, silenceAfter: 5 }, { stallMs: 300 }));
  assert.instance(error, StallError);
  assert.match(error.message, /ha(?:s|ve) made no progress for 300 ms/);
  assert.match(error.message, /completion of request slot \d+ of device 0 for \d+ ms/);
  assert.match(
    error.message,
    /Outstanding I\/O:\n {2}I\/O request \d+ of device 0 since \d+ ms \((?:read|write) of page \d+ of extent \d+, from CPU \d/,
  );
});

test('a device whose thread is killed ends the run with an error naming it, and the machine stays broken', async () => {
  await using machine = await bootMachine({ cpus: 2, size: SMALL, devices: [{ latency: 'fixed:5us' }] });
  const run = machine.run<IoClientData, IoClientResult>({ work, data: () => ({ rounds: 1_000_000, window: 2, silenceAfter: 0 }) });
  const killed = new Promise((resolve) => setTimeout(resolve, 50)).then(() => machine.deviceWorkers[0]?.terminate());
  const error = await failure(run);
  await killed;
  assert.instance(error, CpuError);
  assert.match(error.message, /^CPU 2 \(device 0\) died: its thread ended in the middle of its work/);
  assert.not.ok(machine.usable);
});

test('a device that dies between two runs is told by the next one', async () => {
  await using machine = await bootMachine({ cpus: 2, size: SMALL, devices: [{ latency: 'fixed:5us' }] });
  const run = (): Promise<unknown> =>
    machine.run<IoClientData, IoClientResult>({ work, data: () => ({ rounds: 2, window: 2, silenceAfter: 0 }) });
  await run();
  await machine.deviceWorkers[0]?.terminate();
  assert.not.ok(machine.usable);
  assert.match((await failure(run())).message, /^CPU 2 \(device 0\) died/);
});

for (const [latency, errorRate] of [
  ['fixed:1us', 0],
  ['uniform:1us-200us', 0.1],
  ['zero', 0],
] as const) {
  test(`all CPUs wait for one folio that a device of ${latency} reads, and all of them wake up`, async () => {
    await using machine = await bootMachine({ cpus: CPUS, size: SMALL, devices: [{ latency, errorRate }] });
    const rounds = 300;
    const { reports } = await machine.run<FolioReaderData, number>({
      work: new URL('./folio_reader.work.js', import.meta.url),
      data: () => ({ rounds, cpus: CPUS }),
    });
    const { reads, errors } = readDeviceStats(machine.memory, DISK);
    assert.is(reads, rounds);
    assert.equal(
      reports.map((report) => (report.end === 'finished' ? report.result : JSON.stringify(report))),
      Array.from({ length: CPUS }, () => errors),
    );
    assert.is(requestsInUse(machine.memory), 0);
  });
}

test('a rule that the device finds broken is a violation of its CPU, and freezes the others', async () => {
  await using machine = await bootMachine({ cpus: 2, size: SMALL, devices: [{ latency: 'fixed:5us' }] });
  const { reports } = await machine.run<IoClientData, IoClientResult>({
    work,
    data: (cpu) => ({ rounds: 1_000_000, window: 2, silenceAfter: cpu === 0 ? 3 : 0, breakModel: true }),
  });
  assert.equal(
    reports.map((report) => [report.cpu, report.end]),
    [
      [0, 'frozen'],
      [1, 'frozen'],
      [2, 'violation'],
    ],
  );
  assert.match(JSON.stringify(reports[2]), /no end_io function of that number/);
});

test('a stop ends a run whose CPUs wait for a slow device', async () => {
  await using machine = await bootMachine({ cpus: 2, size: SMALL, devices: [{ latency: 'fixed:30ms' }] });
  const data = (): IoClientData => ({ rounds: 1_000_000, window: 1, silenceAfter: 0 });
  const { reports } = await machine.run<IoClientData, IoClientResult>({ work, seconds: 0.1, data });
  assert.ok(reports.every((report) => report.end === 'finished'));
  assert.is(readDeviceStats(machine.memory, DISK).outstanding, 0);
});

const refusals: readonly (readonly [DeviceOptions, RegExp])[] = [
  [{ latency: 'soon' }, /^The latency "soon" is not understood: it must be one of zero,/],
  [{ queueDepth: 0 }, /^devices\[0\]\.queueDepth is 0, but it must be a whole number from 1 to 4096\.$/],
  [{ errorRate: 2 }, /^devices\[0\]\.errorRate is 2, but/],
  [{ contents: 'tapes' as 'files' }, /^devices\[0\]\.contents is "tapes", but it must be "files" or "blank"\.$/],
  [{ latency: 'list:/nowhere/times.txt' }, /cannot be read \(ENOENT\)/],
];
for (const [options, message] of refusals) {
  test(`the device ${JSON.stringify(options)} is refused`, async () => {
    const error = await failure(bootMachine({ devices: [options] }));
    assert.instance(error, UsageError);
    assert.match(error.message, message);
  });
}

test('a recorded list is read from its file', () => {
  assert.equal(readLatency(`list:${new URL('../../test/device/times.txt', import.meta.url).pathname}`), {
    kind: 'list',
    us: [80, 120, 95, 2500],
  });
});

test.run();

/**
 * The block devices of a machine, and the threads of those that take time.
 * Next: device_main.ts is the other side.
 */
import type { CpuId } from '@faultlab/core/base/brand';
import { setupDevice } from '@faultlab/core/io/block_device';
import { CONTENTS_BLANK, CONTENTS_FILES, type DeviceId } from '@faultlab/core/io/device_record';
import { readDeviceStats } from '@faultlab/core/io/device_stats';
import { setErrorRate } from '@faultlab/core/io/error_injection';
import { PC_WAIT_KIND, percpuBase, WAIT_IO } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import type { ThreadPlan } from '../machine_threads.ts';
import type { CommonThreadTask } from '../thread_news.ts';
import type { DeviceTask } from './device_main.ts';
import { type DeviceConfig, needsThread } from './device_options.ts';

const MODULE = new URL('./device_main.js', import.meta.url);

interface ServedDevice {
  readonly cpu: number;
  readonly device: number;
}

const servedDevices = (devices: readonly DeviceConfig[], firstCpu: number): ServedDevice[] =>
  devices
    .map((config, device) => ({ config, device }))
    .filter(({ config }) => needsThread(config))
    .map(({ device }, position) => ({ cpu: firstCpu + position, device }));

/** Sets the devices up, from number 0. @param firstCpu the CPU of the first that takes time; the others follow */
export function setUpDevices(memory: SharedMemory, devices: readonly DeviceConfig[], firstCpu: number, seed: number): void {
  const servers = new Map(servedDevices(devices, firstCpu).map(({ cpu, device }) => [device, cpu as CpuId]));
  devices.forEach((config, number) => {
    const device = number as DeviceId;
    const contents = config.contents === 'files' ? CONTENTS_FILES : CONTENTS_BLANK;
    const server = servers.get(number);
    setupDevice(memory, device, { queueDepth: config.queueDepth, contents, ...(server === undefined ? {} : { server }) });
    setErrorRate(memory, device, config.errorRate, seed);
  });
}

/** A thread for each device that takes time. */
export const deviceThreadPlans = (
  memory: SharedMemory,
  devices: readonly DeviceConfig[],
  firstCpu: number,
  common: CommonThreadTask,
): ThreadPlan[] =>
  servedDevices(devices, firstCpu).map(({ cpu, device }) => {
    const { latency } = devices[device] as DeviceConfig;
    const task: DeviceTask = { ...common, handle: memory.handle, cpu, device, latency };
    return { cpu, title: `device ${device}`, module: MODULE, task };
  });

/** Has every device served all its requests (of read-ahead and write-back nobody waits for the end), and sleeps? */
export const devicesRest = (memory: SharedMemory, devices: readonly DeviceConfig[], firstCpu: number): boolean =>
  servedDevices(devices, firstCpu).every(({ cpu, device }) => {
    const waits = Atomics.load(memory.words, percpuBase(memory.percpuAt, cpu as CpuId) + PC_WAIT_KIND) === WAIT_IO;
    return waits && readDeviceStats(memory, device as DeviceId).outstanding === 0;
  });

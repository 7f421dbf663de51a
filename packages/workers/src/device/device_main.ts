/**
 * The thread of a block device: it attaches the memory, becomes a CPU of its own, so that it can take locks and wake tasks, and serves
 * until the machine is frozen or the thread is ended.
 * Next: core's io/device_server.ts
 */
import { parentPort, workerData } from 'node:worker_threads';
import { cpuOnline } from '@faultlab/core/boot';
import type { DeviceId } from '@faultlab/core/io/device_record';
import { DeviceServer } from '@faultlab/core/io/device_server';
import type { LatencyModel } from '@faultlab/core/io/latency_model';
import { cpuOfThread, endingOf, type ThreadNews, type ThreadTask } from '../thread_news.ts';

/** What a thread needs to become a device. */
export interface DeviceTask extends ThreadTask {
  readonly device: number;
  readonly latency: LatencyModel;
}

function main(task: DeviceTask, tell: (news: ThreadNews) => void): void {
  const cpu = cpuOfThread(task, 'device');
  cpuOnline(cpu);
  const server = new DeviceServer(cpu, task.device as DeviceId, task.latency, task.seed);
  tell({ kind: 'ready' });
  try {
    server.serve();
  } catch (thrown) {
    tell(endingOf(cpu, thrown));
  }
}

main(workerData as DeviceTask, (news) => parentPort?.postMessage(news));

/**
 * A background thread of a machine: it attaches the memory, becomes a CPU of its own, and works until the machine is frozen or the thread is ended.
 * Next: core's sched/kthread.ts
 */
import { parentPort, workerData } from 'node:worker_threads';
import { cpuOffline, cpuOnline } from '@faultlab/core/boot';
import { KTHREAD_NAMES, type KthreadName, kthread } from '@faultlab/core/sched/kthread';
import { cpuOfThread, endingOf, type ThreadNews, type ThreadTask } from '../thread_news.ts';
import { KTHREAD_WORKS } from './kthread_works.ts';

/** What a thread needs to become a background thread. */
export interface BackgroundTask extends ThreadTask {
  readonly name: KthreadName;
}

function main(task: BackgroundTask, tell: (news: ThreadNews) => void): void {
  const cpu = cpuOfThread(task, task.name);
  cpuOnline(cpu);
  tell({ kind: 'ready' });
  try {
    kthread(cpu, KTHREAD_NAMES.indexOf(task.name), KTHREAD_WORKS[task.name](), { leave: cpuOffline, enter: cpuOnline });
  } catch (thrown) {
    tell(endingOf(cpu, thrown));
  }
}

main(workerData as BackgroundTask, (news) => parentPort?.postMessage(news));

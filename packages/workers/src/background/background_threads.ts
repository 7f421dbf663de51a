/**
 * Which background threads a machine has, and how they are started.
 * Next: background_main.ts is the other side.
 */
import { UsageError } from '@faultlab/core/base/errors';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { KTHREAD_NAMES, type KthreadName, registerKthread } from '@faultlab/core/sched/kthread';
import type { ThreadPlan } from '../machine_threads.ts';
import type { CommonThreadTask } from '../thread_news.ts';
import type { BackgroundTask } from './background_main.ts';

const MODULE = new URL('./background_main.js', import.meta.url);

/** Each name once, in the order of their numbers. @throws UsageError for a name that is none */
export function resolveBackground(names: readonly string[]): KthreadName[] {
  const wrong = names.find((name) => !KTHREAD_NAMES.includes(name as KthreadName));
  if (wrong !== undefined) {
    throw new UsageError(`background names ${JSON.stringify(wrong)}, but the background threads are ${KTHREAD_NAMES.join(' and ')}.`);
  }
  return KTHREAD_NAMES.filter((name) => names.includes(name));
}

/** The threads, which begin with a rest. @param firstCpu the CPU of the first; the others follow */
export function backgroundThreadPlans(
  memory: SharedMemory,
  names: readonly KthreadName[],
  firstCpu: number,
  common: CommonThreadTask,
): ThreadPlan[] {
  return names.map((name, position) => {
    const cpu = firstCpu + position;
    registerKthread(memory, KTHREAD_NAMES.indexOf(name), cpu);
    const task: BackgroundTask = { ...common, handle: memory.handle, cpu, name };
    return { cpu, title: `${name} thread`, module: MODULE, task };
  });
}

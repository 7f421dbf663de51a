/** One thread of a gang: waits for the others, does its work for the time given, reports. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Word } from '@faultlab/core/base/brand';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/locking/rcu';
import { attachMemory } from '@faultlab/core/memory/shared_memory';
import { runningCpu } from './alone.ts';
import { GATHER_WORD, type GangOrder, type GangReply } from './gang.ts';
import { workNamed } from './works.ts';

const order = workerData as GangOrder;
const memory = attachMemory(order.handle);
const work = workNamed(order.work);
const cpu = runningCpu(memory, order.cpu, { rcuCallbacks: work.rcuCallbacks ?? [] });
const gather = memory.userAt + GATHER_WORD;
rcu_idle_exit(cpu);
Atomics.add(memory.words, gather, 1);
Atomics.notify(memory.words, gather);
for (let seen = Atomics.load(memory.words, gather); seen < order.threads; seen = Atomics.load(memory.words, gather)) {
  Atomics.wait(memory.words, gather, seen, 100);
}
const since = performance.now();
const { operations, extra = 0 } = work.run({
  cpu,
  base: memory.userAt as Word,
  thread: order.cpu,
  threads: order.threads,
  until: since + order.ms,
});
const reply: GangReply = { operations, ms: performance.now() - since, extra };
rcu_idle_enter(cpu);
parentPort?.postMessage(reply);

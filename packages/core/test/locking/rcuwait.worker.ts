/** Two threads wake each other in turns: each waits for its number, writes the next one, wakes the other. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { rcuwait_wait_event, rcuwait_wake_up } from '@faultlab/core/locking/rcuwait';
import { atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import { TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';

export interface PingPongOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly rounds: number;
}

export interface PingPongReport {
  readonly rounds: number;
}

/** A waiter that is told at once does not sleep; so only one round in so many is left to the scheduler, the others spin a little first. */
const SLEEP_ONE_IN = 8;
const SPIN = 3000;

export default function run(order: PingPongOrder): PingPongReport {
  const memory = attachMemory(order.handle);
  const cpu = new Cpu({ id: order.cpu as CpuId, memory, now: () => performance.now() });
  const ball = memory.userAt as Word;
  const slots = [(memory.userAt + 16) as Word, (memory.userAt + 32) as Word] as const;
  const [mine, theirs] = order.cpu === 0 ? slots : [slots[1], slots[0]];
  for (let round = 0; round < order.rounds; round++) {
    const wanted = round * 2 + order.cpu;
    const here = (): boolean => atomic_read(cpu, ball) === wanted;
    for (let look = 0; round % SLEEP_ONE_IN !== 0 && look < SPIN && !here(); look++);
    rcuwait_wait_event(cpu, mine, here, TASK_UNINTERRUPTIBLE);
    atomic_set(cpu, ball, wanted + 1);
    rcuwait_wake_up(cpu, theirs);
  }
  return { rounds: order.rounds };
}

/**
 * Thread 0 replaces an object again and again and frees the old one through call_rcu; the others read it in read sections. Freeing
 * poisons the object, so a reader that meets poison was let down.
 */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import {
  call_rcu,
  rcu_barrier,
  rcu_idle_enter,
  rcu_idle_exit,
  rcu_note_quiescent,
  rcu_process_callbacks,
  rcu_read_lock,
  rcu_read_unlock,
  synchronize_rcu,
} from '@faultlab/core/locking/rcu';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';

export interface RcuOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly updates: number;
}

export interface RcuReport {
  readonly dead: number;
  readonly reads: number;
  readonly freed: number;
}

const READERS = 2;
const SLOTS = 60;
const SLOT_WORDS = 8;
const LIVE = 0x600d;
const POISON = 0xdead;

export default function run(order: RcuOrder): RcuReport {
  const memory = attachMemory(order.handle);
  const { words } = memory;
  const pointer = memory.userAt;
  const stop = memory.userAt + 16;
  const ready = memory.userAt + 17;
  const slot = (index: number): number => memory.userAt + 32 + index * SLOT_WORDS;
  const free: number[] = Array.from({ length: SLOTS }, (_, index) => index);
  let freed = 0;
  const cpu = new Cpu({
    id: order.cpu as CpuId,
    memory,
    now: () => performance.now(),
    rcuCallbacks: [
      (_cpu, index) => {
        for (let i = 2; i < SLOT_WORDS; i++) words[slot(index) + i] = POISON;
        free.push(index);
        freed++;
      },
    ],
  });
  rcu_idle_exit(cpu);
  const report = order.cpu === 0 ? update() : read();
  rcu_idle_enter(cpu);
  return report;

  function update(): RcuReport {
    while (Atomics.load(words, ready) < READERS);
    for (let done = 0; done < order.updates; done++) {
      rcu_process_callbacks(cpu);
      while (free.length === 0) {
        synchronize_rcu(cpu);
        rcu_process_callbacks(cpu);
      }
      const index = free.shift() as number;
      for (let i = 2; i < SLOT_WORDS; i++) words[slot(index) + i] = LIVE;
      const old = Atomics.exchange(words, pointer, index + 1) - 1;
      if (old >= 0) call_rcu(cpu, slot(old) as Word, 0, old);
    }
    rcu_barrier(cpu);
    Atomics.store(words, stop, 1);
    return { dead: 0, reads: 0, freed };
  }

  function read(): RcuReport {
    let dead = 0;
    let reads = 0;
    Atomics.add(words, ready, 1);
    while (Atomics.load(words, stop) === 0) {
      rcu_read_lock(cpu);
      const found = Atomics.load(words, pointer) - 1;
      for (let round = 0; round < 20 && found >= 0; round++) {
        for (let i = 2; i < SLOT_WORDS; i++) if (Atomics.load(words, slot(found) + i) !== LIVE) dead++;
      }
      if (found >= 0) reads++;
      rcu_read_unlock(cpu);
      rcu_note_quiescent(cpu);
    }
    return { dead, reads, freed: 0 };
  }
}

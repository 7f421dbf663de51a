/**
 * CPU 0 stores and erases between areas that stay; the others look up, without a lock, areas that stay and pages in between.
 * Every area's number says where it was stored, so that a reader can tell whether it ever covered a page.
 */
import type { Vpn, Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import {
  rcu_barrier,
  rcu_idle_enter,
  rcu_idle_exit,
  rcu_note_quiescent,
  rcu_process_callbacks,
  rcu_read_lock,
  rcu_read_unlock,
} from '@faultlab/core/locking/rcu';
import { atomic_fetch_add, atomic_read, atomic_set } from '@faultlab/core/memory/atomic';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { type Area, store, treeCpu, treeOf } from './maple_model.ts';

export interface TreeThread {
  readonly handle: MemoryHandle;
  readonly index: number;
  readonly stores: number;
}

export interface TreeThreadResult {
  readonly looks: number;
  readonly missed: number;
  readonly wrong: number;
}

/** A block is an area that stays, and room behind it. */
export const BLOCKS = 300;
const BLOCK_PAGES = 64;
const STAYS_PAGES = 4;
/** Numbers from here on: areas that come and go, with their first page added. */
const CHURN = 100_000;

export const permanentOf = (block: number): Area => ({
  start: block * BLOCK_PAGES,
  end: block * BLOCK_PAGES + STAYS_PAGES,
  vma: block + 1,
});

export default function run({ handle, index, stores }: TreeThread): TreeThreadResult {
  const memory = attachMemory(handle);
  const cpu = treeCpu(memory, index, { seed: 11 });
  const stop = (memory.userAt + 16) as Word;
  const ready = (memory.userAt + 32) as Word;
  rcu_idle_exit(cpu);
  atomic_fetch_add(cpu, ready, 1);
  let result: TreeThreadResult = { looks: 0, missed: 0, wrong: 0 };
  if (index === 0) {
    while (atomic_read(cpu, ready) < 3) rcu_note_quiescent(cpu);
    write(cpu, stores);
    atomic_set(cpu, stop, 1);
    rcu_barrier(cpu);
  } else {
    result = read(cpu, stop);
  }
  rcu_idle_enter(cpu);
  return result;
}

function write(cpu: Cpu, stores: number): void {
  const { prng } = cpu;
  for (let i = 0; i < stores; i++) {
    const room = prng.below(BLOCKS) * BLOCK_PAGES + STAYS_PAGES;
    const from = prng.below(BLOCK_PAGES - STAYS_PAGES);
    const pages = prng.between(1, BLOCK_PAGES - STAYS_PAGES - from + 1);
    const start = room + from;
    store(cpu, { start, end: start + pages, vma: prng.chance(1, 3) ? 0 : CHURN + start });
    rcu_process_callbacks(cpu);
  }
}

function read(cpu: Cpu, stop: Word): TreeThreadResult {
  const tree = treeOf(cpu.memory);
  const { prng } = cpu;
  let looks = 0;
  let missed = 0;
  let wrong = 0;
  while (atomic_read(cpu, stop) === 0) {
    for (let i = 0; i < 64; i++) {
      const block = prng.below(BLOCKS);
      const page = block * BLOCK_PAGES + prng.below(BLOCK_PAGES);
      rcu_read_lock(cpu);
      const stays = mas_walk(cpu, tree, (block * BLOCK_PAGES + prng.below(STAYS_PAGES)) as Vpn);
      const any = mas_walk(cpu, tree, page as Vpn);
      rcu_read_unlock(cpu);
      looks += 2;
      if (stays !== block + 1) missed++;
      // A cut area keeps its number, so its first page there is at or below every page it covers (a part cut off in front moves it up).
      const start = any - CHURN;
      const fits = any === 0 || any === block + 1 || (start <= page && start >= block * BLOCK_PAGES + STAYS_PAGES);
      if (!fits) wrong++;
    }
    rcu_note_quiescent(cpu);
  }
  return { looks, missed, wrong };
}

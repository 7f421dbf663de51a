/**
 * One thread of the torture of the folio lock: either everybody takes locks and counts under them, or one thread locks and everybody
 * else waits for the unlock, round after round.
 */
import type { CpuId, Pfn, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { complete, complete_all, wait_for_completion } from '@faultlab/core/locking/completion';
import { atomic_fetch_add } from '@faultlab/core/memory/atomic';
import { PC_RUN_STATE, RUN_RUNNING } from '@faultlab/core/memory/percpu';
import { attachMemory, type MemoryHandle } from '@faultlab/core/memory/shared_memory';
import {
  folio_lock,
  folio_lock_killable,
  folio_trylock,
  folio_unlock,
  folio_wait_locked,
  folio_wait_locked_killable,
  folioLockFromIo,
  folioLockToIo,
} from '@faultlab/core/mm/folio_lock';
import { folio_end_writeback, folio_start_writeback, folio_wait_writeback } from '@faultlab/core/mm/folio_writeback';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { collidingWith, PAGE } from './folio_lock_steps.ts';

export interface TortureOrder {
  readonly handle: MemoryHandle;
  readonly cpu: number;
  readonly threads: number;
  readonly rounds: number;
  readonly kind: 'count' | 'broadcast';
}

export interface TortureReport {
  /** Locks taken, by page; or rounds in which this thread was served. */
  readonly done: readonly number[];
  readonly killed: number;
}

/** Lines of the user region: a plain counter for each page; how many have come to wait, "all have come", "the first page is locked". */
export const COUNTERS_LINE = 2;
const WAITING_LINE = 4;
const SERVED_LINE = 6;
const START_LINE = 8;

export default function torture(order: TortureOrder): TortureReport {
  const memory = attachMemory(order.handle);
  const cpu = new Cpu({ id: order.cpu as CpuId, memory, now: () => performance.now(), seed: 11, verify: true });
  memory.words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  return order.kind === 'count' ? count(cpu, order) : broadcast(cpu, order);
}

/** The pages share a queue. */
const pagesOf = (cpu: Cpu): readonly [Pfn, Pfn] => [PAGE, collidingWith(cpu.memory, PAGE)];

function count(cpu: Cpu, { rounds, threads }: TortureOrder): TortureReport {
  const pages = pagesOf(cpu);
  const done = [0, 0];
  let killed = 0;
  const add = (which: number): void => {
    const word = cpu.memory.userAt + (COUNTERS_LINE + which) * 16;
    cpu.words[word] = (cpu.words[word] as number) + 1;
    done[which] = (done[which] as number) + 1;
  };
  for (let round = 0; round < rounds; round++) {
    const which = cpu.prng.below(2);
    const page = pages[which] as Pfn;
    if (cpu.prng.chance(1, 8)) folio_wait_locked(cpu, page);
    if (cpu.prng.chance(1, 16)) send_signal(cpu, cpu.prng.below(threads) as CpuId, SIGKILL);
    if (cpu.prng.chance(1, 16) && folio_wait_locked_killable(cpu, page) !== 0) killed++;
    if (cpu.prng.chance(1, 4)) {
      if (!folio_trylock(cpu, page)) continue;
    } else if (cpu.prng.chance(1, 2)) {
      if (folio_lock_killable(cpu, page) !== 0) {
        killed++;
        takeSignals(cpu);
        continue;
      }
    } else {
      folio_lock(cpu, page);
    }
    add(which);
    release(cpu, page);
  }
  return { done, killed };
}

/** Through an I/O, through writeback, or at once. */
function release(cpu: Cpu, page: Pfn): void {
  folio_wait_writeback(cpu, page);
  const way = cpu.prng.below(4);
  if (way === 0) {
    folioLockToIo(cpu, page);
    folioLockFromIo(cpu, page);
  }
  if (way === 1) folio_start_writeback(cpu, page);
  folio_unlock(cpu, page);
  if (way === 1) folio_end_writeback(cpu, page);
}

/** CPU 0 locks one page while all others wait for the other: it unlocks that when they have come, and goes on when they have gone. */
function broadcast(cpu: Cpu, { rounds, threads }: TortureOrder): TortureReport {
  const pages = pagesOf(cpu);
  const waiting = (cpu.memory.userAt + WAITING_LINE * 16) as Word;
  const served = (cpu.memory.userAt + SERVED_LINE * 16) as Word;
  const start = (cpu.memory.userAt + START_LINE * 16) as Word;
  if (cpu.id === 0) {
    folio_lock(cpu, pages[0]);
    complete_all(cpu, start);
    for (let round = 0; round < rounds; round++) {
      wait_for_completion(cpu, served);
      folio_lock(cpu, pages[((round + 1) & 1) as 0 | 1]);
      folio_unlock(cpu, pages[(round & 1) as 0 | 1]);
    }
    folio_unlock(cpu, pages[(rounds & 1) as 0 | 1]);
    return { done: [rounds], killed: 0 };
  }
  wait_for_completion(cpu, start);
  for (let round = 0; round < rounds; round++) {
    const before = atomic_fetch_add(cpu, waiting, 1);
    if ((before + 1) % (threads - 1) === 0) complete(cpu, served);
    folio_wait_locked(cpu, pages[(round & 1) as 0 | 1]);
  }
  return { done: [rounds], killed: 0 };
}

/** What an uncontended pair of lock and unlock costs. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { mutex_lock, mutex_trylock, mutex_unlock } from '@faultlab/core/locking/mutex';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';
import { notifyingLock, notifyingUnlock } from './notifying_mutex.ts';

const PAIRS = 20_000;

export function addMutexLatency(bench: Bench, smoke: boolean): void {
  const pairs = smoke ? 100 : PAIRS;
  const ours = alone();
  const other = alone();
  bench.add('mutex pair', () => timed(pairs, () => mutexPairs(ours.cpu, ours.lock, pairs)));
  bench.add('mutex trylock pair', () => timed(pairs, () => tryPairs(ours.cpu, ours.lock, pairs)));
  bench.add('mutex with unconditional notify, pair', () => timed(pairs, () => notifyingPairs(other.cpu, other.lock, pairs)));
}

function mutexPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    mutex_lock(cpu, lock);
    mutex_unlock(cpu, lock);
  }
}

function tryPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) if (mutex_trylock(cpu, lock)) mutex_unlock(cpu, lock);
}

function notifyingPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    notifyingLock(cpu, lock);
    notifyingUnlock(cpu, lock);
  }
}

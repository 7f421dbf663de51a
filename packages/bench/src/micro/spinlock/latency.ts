/** What an uncontended pair of lock and unlock costs. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const PAIRS = 20_000;

export function addSpinlockLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const pairs = smoke ? 100 : PAIRS;
  bench.add('spinlock pair', () => timed(pairs, () => spinPairs(cpu, lock, pairs)));
}

function spinPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    spin_lock(cpu, lock);
    spin_unlock(cpu, lock);
  }
}

/** What taking and giving back a reference costs. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { REFCOUNT_MAX, refcount_dec, refcount_inc_not_zero_limited, refcount_set } from '@faultlab/core/locking/refcount';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const PAIRS = 20_000;

export function addRefcountLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const pairs = smoke ? 100 : PAIRS;
  refcount_set(cpu, lock, 1);
  bench.add('refcount inc_not_zero_limited and dec', () => timed(pairs, () => refcountPairs(cpu, lock, pairs)));
}

export function refcountPairs(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    refcount_inc_not_zero_limited(cpu, word, REFCOUNT_MAX);
    refcount_dec(cpu, word);
  }
}

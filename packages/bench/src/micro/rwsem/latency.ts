/** What an uncontended pair of lock and unlock costs. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { LOCK_MMAP } from '@faultlab/core/locking/lock_class';
import { down_read, down_read_trylock, down_write, downgrade_write, up_read, up_write } from '@faultlab/core/locking/rwsem';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const PAIRS = 20_000;

export function addRwsemLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const pairs = smoke ? 100 : PAIRS;
  bench.add('rwsem read pair', () => timed(pairs, () => readPairs(cpu, lock, pairs)));
  bench.add('rwsem read trylock pair', () => timed(pairs, () => tryPairs(cpu, lock, pairs)));
  bench.add('rwsem write pair', () => timed(pairs, () => writePairs(cpu, lock, pairs)));
  bench.add('rwsem write, downgrade, read unlock', () => timed(pairs, () => downgrades(cpu, lock, pairs)));
}

export function readPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    down_read(cpu, lock, LOCK_MMAP);
    up_read(cpu, lock);
  }
}

export function writePairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    down_write(cpu, lock, LOCK_MMAP);
    up_write(cpu, lock);
  }
}

function tryPairs(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) if (down_read_trylock(cpu, lock, LOCK_MMAP)) up_read(cpu, lock);
}

function downgrades(cpu: Cpu, lock: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    down_write(cpu, lock, LOCK_MMAP);
    downgrade_write(cpu, lock);
    up_read(cpu, lock);
  }
}

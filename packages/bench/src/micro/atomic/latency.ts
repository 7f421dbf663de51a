/** What one operation of the funnel costs, by both implementations. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_cmpxchg, atomic_fetch_add, atomic_read, READ_ONCE } from '@faultlab/core/memory/atomic';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import type { Bench } from 'tinybench';
import { runningCpu } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const OPERATIONS = 20_000;

export function addAtomicLatency(bench: Bench, smoke: boolean): void {
  const count = smoke ? 100 : OPERATIONS;
  for (const plain of [false, true]) {
    const memory = createMemory(LOCKS_ONLY_SIZE, plain);
    const cpu = runningCpu(memory, 0);
    const word = memory.userAt as Word;
    const suffix = plain ? 'Atomics' : 'WebAssembly';
    bench.add(`atomic_fetch_add, ${suffix}`, () => timed(count, () => adds(cpu, word, count)));
    bench.add(`atomic_cmpxchg, ${suffix}`, () => timed(count, () => exchanges(cpu, word, count)));
    bench.add(`atomic_read, ${suffix}`, () => timed(count, () => reads(cpu, word, count)));
    if (!plain) bench.add('READ_ONCE', () => timed(count, () => looks(cpu, word, count)));
  }
}

function adds(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) atomic_fetch_add(cpu, word, 1);
}

function exchanges(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) atomic_cmpxchg(cpu, word, 0, 0);
}

function reads(cpu: Cpu, word: Word, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += atomic_read(cpu, word);
  return sum;
}

function looks(cpu: Cpu, word: Word, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += READ_ONCE(cpu, word);
  return sum;
}

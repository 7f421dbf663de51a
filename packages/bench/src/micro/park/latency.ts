/** What notify costs when nobody waits (which is why nobody does that here), and a park that does not sleep. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { park, unpark } from '@faultlab/core/memory/park';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const OPERATIONS = 2_000;

export function addParkLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const count = smoke ? 50 : OPERATIONS;
  bench.add('unpark, nobody sleeps', () => timed(count, () => unparks(cpu, lock, count)));
  bench.add('park, the word has changed', () => timed(count, () => parks(cpu, lock, count)));
}

function unparks(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) unpark(cpu, word, 1);
}

function parks(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) park(cpu, word, 1);
}

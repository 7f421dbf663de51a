/** What complete() and a wait that need not sleep cost together. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { complete, wait_for_completion } from '@faultlab/core/locking/completion';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const OPERATIONS = 10_000;

export function addCompletionLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const count = smoke ? 100 : OPERATIONS;
  bench.add('complete and wait', () => timed(count, () => pairs(cpu, lock, count)));
}

function pairs(cpu: Cpu, completion: Word, count: number): void {
  for (let i = 0; i < count; i++) {
    complete(cpu, completion);
    wait_for_completion(cpu, completion);
  }
}

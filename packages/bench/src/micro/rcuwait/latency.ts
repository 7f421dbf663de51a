/** What a wait costs whose condition holds already, and a wake-up when nobody waits. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { rcuwait_wait_event, rcuwait_wake_up } from '@faultlab/core/locking/rcuwait';
import { TASK_UNINTERRUPTIBLE } from '@faultlab/core/sched/task';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const OPERATIONS = 10_000;
const holds = (): boolean => true;

export function addRcuwaitLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone();
  const count = smoke ? 100 : OPERATIONS;
  bench.add('rcuwait wait, condition holds', () => timed(count, () => waits(cpu, lock, count)));
  bench.add('rcuwait wake-up, nobody waits', () => timed(count, () => wakeUps(cpu, lock, count)));
}

function waits(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) rcuwait_wait_event(cpu, word, holds, TASK_UNINTERRUPTIBLE);
}

function wakeUps(cpu: Cpu, word: Word, count: number): void {
  for (let i = 0; i < count; i++) rcuwait_wake_up(cpu, word);
}

/** What a read section, a quiescent state and a callback cost on one CPU. */
import type { Word } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { call_rcu, rcu_barrier, rcu_idle_exit, rcu_note_quiescent, rcu_read_lock, rcu_read_unlock } from '@faultlab/core/locking/rcu';
import type { Bench } from 'tinybench';
import { alone } from '../../alone.ts';
import { timed } from '../../benchmark.ts';

const OPERATIONS = 10_000;
/** Callback heads of two words in the user region. */
const HEADS = 256;

export function addRcuLatency(bench: Bench, smoke: boolean): void {
  const { cpu, lock } = alone({ rcuCallbacks: [() => {}] });
  rcu_idle_exit(cpu);
  const count = smoke ? 100 : OPERATIONS;
  bench.add('rcu read section', () => timed(count, () => sections(cpu, count)));
  bench.add('rcu quiescent state', () => timed(count, () => reports(cpu, count)));
  bench.add('call_rcu, grace periods included', () => timed(HEADS, () => callbacks(cpu, lock)));
}

function sections(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) {
    rcu_read_lock(cpu);
    rcu_read_unlock(cpu);
  }
}

function reports(cpu: Cpu, count: number): void {
  for (let i = 0; i < count; i++) rcu_note_quiescent(cpu);
}

function callbacks(cpu: Cpu, first: Word): void {
  for (let i = 0; i < HEADS; i++) call_rcu(cpu, (first + i * 2) as Word, 0, i);
  rcu_barrier(cpu);
}

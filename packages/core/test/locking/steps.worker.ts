/** One thread of runSteps: executes its list. */
import type { CpuId, Word } from '@faultlab/core/base/brand';
import { Cpu } from '@faultlab/core/cpu';
import { complete, complete_all, wait_for_completion, wait_for_completion_killable } from '@faultlab/core/locking/completion';
import { mutex_lock, mutex_lock_killable, mutex_trylock, mutex_unlock } from '@faultlab/core/locking/mutex';
import {
  down_read,
  down_read_killable,
  down_read_trylock,
  down_write,
  down_write_killable,
  down_write_trylock,
  downgrade_write,
  up_read,
  up_write,
} from '@faultlab/core/locking/rwsem';
import { PC_RUN_STATE, PC_WAIT_KIND, percpuBase, RUN_PARKED, RUN_RUNNING, WAIT_NONE } from '@faultlab/core/memory/percpu';
import { attachMemory } from '@faultlab/core/memory/shared_memory';
import { STEP_RELAX } from '@faultlab/core/memory/step_gate';
import { SIGKILL, send_signal } from '@faultlab/core/sched/task';
import { CLOCK_LINE, FLAGS_LINE, GATE_LINE, LOCK_LINE, LOG_LINE, type LockStep, type Step, type StepsOrder } from './steps.ts';
import { TurnGate } from './turn_gate.ts';

const CALLS: Readonly<Record<LockStep, (cpu: Cpu, lock: Word) => unknown>> = {
  down_read: (cpu, lock) => down_read(cpu, lock),
  down_read_killable: (cpu, lock) => down_read_killable(cpu, lock),
  down_read_trylock: (cpu, lock) => down_read_trylock(cpu, lock),
  up_read,
  down_write: (cpu, lock) => down_write(cpu, lock),
  down_write_killable: (cpu, lock) => down_write_killable(cpu, lock),
  down_write_trylock: (cpu, lock) => down_write_trylock(cpu, lock),
  up_write,
  downgrade_write,
  mutex_lock: (cpu, lock) => mutex_lock(cpu, lock),
  mutex_lock_killable: (cpu, lock) => mutex_lock_killable(cpu, lock),
  mutex_trylock: (cpu, lock) => mutex_trylock(cpu, lock),
  mutex_unlock,
  wait_for_completion,
  wait_for_completion_killable,
  complete,
  complete_all,
};

export default function execute(order: StepsOrder): number[] {
  const memory = attachMemory(order.handle);
  const line = (number: number): number => memory.userAt + number * 16;
  const { words } = memory;
  const id = order.cpu as CpuId;
  const gate = order.seed === null ? null : new TurnGate(words, line(GATE_LINE) as Word, order.cpus, order.seed);
  const clock = line(CLOCK_LINE);
  const cpu = new Cpu({ id, memory, gate, now: () => (gate === null ? performance.now() : Atomics.load(words, clock)), spin: order.spin });
  words[cpu.percpu + PC_RUN_STATE] = RUN_RUNNING;
  const lock = line(LOCK_LINE) as Word;
  const results: number[] = [];
  const until = (condition: () => boolean): void => {
    while (!condition()) if (gate !== null) gate.step(id, STEP_RELAX, 0);
  };
  const sleeps = (other: number): boolean => {
    if (gate !== null) return gate.sleeps(other);
    const base = percpuBase(memory.percpuAt, other as CpuId);
    return Atomics.load(words, base + PC_RUN_STATE) === RUN_PARKED && Atomics.load(words, base + PC_WAIT_KIND) !== WAIT_NONE;
  };
  const perform = (step: Step): void => {
    switch (step[0]) {
      case 'await':
        until(() => Atomics.load(words, line(FLAGS_LINE) + step[1]) !== 0);
        return;
      case 'raise':
        Atomics.store(words, line(FLAGS_LINE) + step[1], 1);
        return;
      case 'asleep':
        until(() => sleeps(step[1]));
        return;
      case 'note': {
        const position = Atomics.add(words, line(LOG_LINE), 1);
        words[line(LOG_LINE) + 1 + position] = step[1].charCodeAt(0);
        return;
      }
      case 'kill':
        send_signal(cpu, step[1] as CpuId, SIGKILL);
        return;
      case 'later':
        Atomics.add(words, clock, step[1]);
        return;
      case 'look':
        results.push((words[lock] as number) & step[1]);
        return;
      default: {
        const result = CALLS[step[0]](cpu, lock);
        if (result !== undefined) results.push(Number(result));
      }
    }
  };
  gate?.join(id);
  for (const step of order.steps) perform(step);
  gate?.leave(id);
  return results;
}

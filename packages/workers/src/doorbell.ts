/**
 * The shared words that reach a CPU whatever it does: no message reaches a thread inside Atomics.wait, but every sleep of a CPU is
 * bounded and looks at these words afterwards.
 * The first half is for the outside, the second for the CPU itself.
 * Next: machine.ts rings, entry/cpu_main.ts listens.
 */
import type { Word } from '@faultlab/core/base/brand';
import { MachineStopped } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { atomic_cmpxchg, atomic_fetch_add, atomic_read } from '@faultlab/core/memory/atomic';
import { FROZEN_FROM_OUTSIDE, H_ARRIVED, H_FREEZE, H_LEFT, H_START, H_STOP } from '@faultlab/core/memory/header';
import { beginWait, checkFreeze, endWait, park } from '@faultlab/core/memory/park';
import { WAIT_BARRIER } from '@faultlab/core/memory/percpu';
import type { SharedMemory } from '@faultlab/core/memory/shared_memory';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/sched/rcu_state';

/** Closes the gate and takes back every request. Only while no CPU runs. */
export function resetDoorbell(memory: SharedMemory): void {
  for (const word of [H_ARRIVED, H_START, H_LEFT, H_STOP, H_FREEZE]) Atomics.store(memory.words, word, 0);
}

/** CPUs that wait at the gate. */
export const arrivedCount = (memory: SharedMemory): number => Atomics.load(memory.words, H_ARRIVED);

/** CPUs that have finished their program. */
export const leftCount = (memory: SharedMemory): number => memory.ops.load(H_LEFT << 2);

/** Lets everybody at the gate go. */
export function openGate(memory: SharedMemory): void {
  Atomics.store(memory.words, H_START, 1);
  Atomics.notify(memory.words, H_START);
}

/** Asks every CPU to end its program after the operation it is in. */
export function ringStop(memory: SharedMemory): void {
  Atomics.store(memory.words, H_STOP, 1);
}

/** Stops every CPU where it is, locks held and all. The memory is good for a post-mortem only afterwards. */
export function ringFreeze(memory: SharedMemory): void {
  Atomics.compareExchange(memory.words, H_FREEZE, 0, FROZEN_FROM_OUTSIDE);
}

/** The CPU that froze the machine; negative when it was nobody or somebody outside. */
export const freezerOf = (memory: SharedMemory): number => Atomics.load(memory.words, H_FREEZE) - 1;

/** Waits at the gate until all are there. @throws MachineStopped when the machine is frozen meanwhile */
export function arriveAtGate(cpu: Cpu): void {
  beginWait(cpu, WAIT_BARRIER, H_START);
  rcu_idle_enter(cpu);
  atomic_fetch_add(cpu, H_ARRIVED, 1);
  while (atomic_read(cpu, H_START) === 0) park(cpu, H_START, 0);
  rcu_idle_exit(cpu);
  endWait(cpu);
}

/** Should this CPU end its program? Cheap enough to ask between any two operations. @throws MachineStopped when frozen */
export function stopRequested(cpu: Cpu): boolean {
  checkFreeze(cpu);
  return cpu.words[H_STOP] !== 0;
}

/** Stops everybody else, because this CPU has found something wrong. The first one wins. */
export function freezeOthers(cpu: Cpu): void {
  atomic_cmpxchg(cpu, H_FREEZE, 0, cpu.id + 1);
}

/** Says that this CPU has finished its program. */
export function leave(cpu: Cpu): void {
  atomic_fetch_add(cpu, H_LEFT, 1);
}

/** Was this thrown because somebody else stopped the machine? */
export const isStopped = (thrown: unknown): boolean => thrown instanceof MachineStopped;

/** Sleeps at most `ms` while the word holds `seen`; for works that wait for each other. */
export function waitOnWord(cpu: Cpu, kind: number, word: Word, seen: number, ms: number): void {
  beginWait(cpu, kind, word);
  rcu_idle_enter(cpu);
  park(cpu, word, seen, ms);
  rcu_idle_exit(cpu);
  endWait(cpu);
}

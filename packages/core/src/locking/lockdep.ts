/**
 * The lock order, checked each time a sleeping lock is about to be waited for; only with cpu.verify. It looks at what the task holds now,
 * so a wrong order is noticed also when nobody else was there to deadlock with. What it saw is kept (lock_order_graph.ts).
 * @kernel kernel/locking/lockdep.c check_prev_add(); kernel/sched/core.c __might_sleep()
 * @fidelity reduced: compares with the ranks of lock_class.ts, and learns the order of classes beside; a trylock is always allowed
 * Next: locking/lock_class.ts
 */
import { InvariantError } from '../base/errors.ts';
import type { Cpu } from '../cpu.ts';
import { readHeld } from './held_locks.ts';
import { type LockClass, lockClassName, mayNest } from './lock_class.ts';
import { noteLockOrder } from './lock_order_graph.ts';

/** @throws InvariantError I11 when this task may not wait for a lock of that class with what it holds */
export function checkLockOrder(cpu: Cpu, wanted: LockClass): void {
  if (cpu.spinDepth > 0) throw new InvariantError('I11', wrongOrder(lockClassName(wanted), 'a spinlock'));
  if (cpu.rcuNesting > 0) throw new InvariantError('I11', `${lockClassName(wanted)} is taken inside an RCU read section`);
  for (const held of readHeld(cpu.memory, cpu.id)) {
    noteLockOrder(cpu, held.class, wanted);
    if (!mayNest(held.class, wanted)) throw new InvariantError('I11', wrongOrder(lockClassName(wanted), lockClassName(held.class)));
  }
}

const wrongOrder = (wanted: string, held: string): string => `${wanted} is taken while ${held} is held`;

/** The two classes of a message of checkLockOrder, or undefined when it is about something else. */
export function wrongOrderOf(message: string): { readonly wanted: string; readonly held: string } | undefined {
  const [, wanted, held] = /(\w+) is taken while (a spinlock|\w+) is held/.exec(message) ?? [];
  return wanted === undefined || held === undefined ? undefined : { wanted, held };
}

/**
 * I11, seen from the whole run: the classes of locks were not taken in a circle, by whomever and whenever. Only a machine whose CPUs run with
 * `verify` knows its order.
 * @kernel kernel/locking/lockdep.c check_noncircular()
 * @fidelity reduced: classes, not single locks
 * Next: locking/lock_order_graph.ts
 */
import { lockOrderCycle, lockOrderText, readLockOrder } from '../locking/lock_order_graph.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepLockOrder(state: SweepState): void {
  const cycle = lockOrderCycle(readLockOrder(state.m));
  if (cycle !== undefined)
    state.report('I11', `locks were taken in a circle, each while the one before it was held: ${lockOrderText(cycle)}`);
}

/**
 * Which grace period each CPU has seen: the reader's half of RCU, free for readers. A CPU passes a quiescent state between operations and
 * whenever it sleeps; in between it may be inside read sections.
 *
 *   reader CPU                                updater CPU
 *   1 rcu_read_lock, finds the node
 *                                             2 unlinks the node, call_rcu: tagged with gp + 2
 *                                             3 wants to end gp: this CPU has not reported gp yet  <- decides: waits
 *   4 uses the node, rcu_read_unlock
 *   5 rcu_note_quiescent: reports gp
 *                                             6 gp ends, and one more; frees the node
 *
 * @kernel kernel/rcu/tree.c (quiescent states)
 * @fidelity reduced: quiescent-state based, one level, 32-bit grace-period numbers
 * Next: locking/rcu.ts has the updater's half
 */
import { assert } from '../base/assert.ts';
import type { Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_read, atomic_set, READ_ONCE } from '../memory/atomic.ts';
import { H_RCU_GP_SEQ } from '../memory/header.ts';
import { PC_RCU_QS } from '../memory/percpu.ts';

/** A CPU that is not running model code: asleep, before its program, after it. Zero, so that fresh memory is all offline. */
export const RCU_OFFLINE = 0;
/** What a CPU writes when it has seen a grace period: odd, so that no number, wrapped around or not, is RCU_OFFLINE. */
export const rcuStamp = (gpSeq: number): number => (gpSeq << 1) | 1;

const qsWord = (cpu: Cpu): Word => (cpu.percpu + PC_RCU_QS) as Word;

/** Enters a read section: nothing found in it is freed before its end. Costs nothing; nests. May not sleep inside. */
export function rcu_read_lock(cpu: Cpu): void {
  cpu.rcuNesting++;
}

export function rcu_read_unlock(cpu: Cpu): void {
  assert(cpu.rcuNesting > 0, 'rcu_read_unlock: not in a read section');
  cpu.rcuNesting--;
}

/**
 * Reports that this CPU holds no pointer found in a read section. Call between operations and in long loops.
 * @kernel rcu_qs(), cond_resched()
 */
export function rcu_note_quiescent(cpu: Cpu): void {
  assert(cpu.rcuNesting === 0, 'rcu_note_quiescent: inside an RCU read section');
  const stamp = rcuStamp(READ_ONCE(cpu, H_RCU_GP_SEQ));
  // Alone: only this CPU writes the word, so a plain look tells whether it is up to date.
  if (READ_ONCE(cpu, qsWord(cpu)) === stamp) return;
  atomic_set(cpu, qsWord(cpu), stamp); // Release: everything read before is done. Pairs with: rcu_try_advance().
}

/** Before sleeping: grace periods need not wait for this CPU. */
export function rcu_idle_enter(cpu: Cpu): void {
  assert(cpu.rcuNesting === 0, 'rcu_idle_enter: inside an RCU read section');
  atomic_set(cpu, qsWord(cpu), RCU_OFFLINE); // Pairs with: rcu_try_advance().
}

/**
 * After sleeping. The store is a full barrier: if an updater saw us offline, our later reads see what it unlinked before.
 * Pairs with: rcu_try_advance().
 */
export function rcu_idle_exit(cpu: Cpu): void {
  atomic_set(cpu, qsWord(cpu), rcuStamp(atomic_read(cpu, H_RCU_GP_SEQ)));
}

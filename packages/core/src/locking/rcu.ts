/**
 * Read-copy-update, the updater's half: what was unlinked is freed only after every read section that might have found it has ended.
 * The readers' half is free (sched/rcu_state.ts). A grace period ends when every CPU has reported its number or is offline.
 * A callback waits for the end of the period that runs when it is queued (some CPUs may have reported that one before the unlinking) and
 * for one whole period more.
 *
 *   callback lists of a CPU   next: queued, without a number yet    wait: may run when the current period is at least PC_RCU_WAIT_SEQ
 *
 * Only the CPU itself touches its lists. A callback head is two words inside the object that is to be freed.
 * @kernel kernel/rcu/tree.c, kernel/rcu/rcu_segcblist.c
 * @fidelity reduced: one level, two segments, no kthreads: CPUs advance grace periods between their operations
 * Next: mm/maple_tree.ts frees its nodes through here
 */
import { assert } from '../base/assert.ts';
import type { CpuId, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_cmpxchg, atomic_read } from '../memory/atomic.ts';
import { H_RCU_GP_SEQ } from '../memory/header.ts';
import { beginWait, endWait, park } from '../memory/park.ts';
import {
  PC_RCU_NEXT_HEAD,
  PC_RCU_NEXT_TAIL,
  PC_RCU_PENDING,
  PC_RCU_QS,
  PC_RCU_WAIT_HEAD,
  PC_RCU_WAIT_SEQ,
  PC_RCU_WAIT_TAIL,
  percpuBase,
  WAIT_RCU,
} from '../memory/percpu.ts';
import { RCU_OFFLINE, rcu_idle_enter, rcu_idle_exit, rcu_note_quiescent, rcuStamp } from '../sched/rcu_state.ts';

export { rcu_idle_enter, rcu_idle_exit, rcu_note_quiescent, rcu_read_lock, rcu_read_unlock } from '../sched/rcu_state.ts';

/** A callback head: link, and function number << 24 | argument. */
export const RCU_HEAD_WORDS = 2;
/** Arguments are below this: they share a word with the function's number. */
export const RCU_ARGUMENT_LIMIT: number = 1 << 24;
const FUNCTION_SHIFT = 24;
const FUNCTIONS_MAX = 128;
/** Grace periods after which a callback may run. */
const PERIODS = 2;
/** How long an idle waiter sleeps between two looks. */
const POLL_MS = 1;
/** Looks before the first sleep: on a quiet machine a grace period needs no sleep at all. */
const EAGER_LOOKS = 4;

const field = (cpu: Cpu, offset: number): number => cpu.words[cpu.percpu + offset] as number;
const setField = (cpu: Cpu, offset: number, value: number): void => {
  cpu.words[cpu.percpu + offset] = value;
};

/**
 * Runs `cpu.rcuCallbacks[func](cpu, argument)` on this CPU when all read sections open now have ended. Never sleeps.
 * @param head two words of the object, not used by anybody else until the callback runs; @param argument below 2^24
 */
export function call_rcu(cpu: Cpu, head: Word, func: number, argument: number): void {
  assert(cpu.rcuCallbacks[func] !== undefined && func < FUNCTIONS_MAX, 'call_rcu: no such callback');
  assert(argument >= 0 && argument < RCU_ARGUMENT_LIMIT, 'call_rcu: the argument does not fit 24 bits');
  cpu.words[head] = 0;
  cpu.words[head + 1] = (func << FUNCTION_SHIFT) | argument;
  const tail = field(cpu, PC_RCU_NEXT_TAIL);
  if (tail === 0) setField(cpu, PC_RCU_NEXT_HEAD, head);
  else cpu.words[tail] = head;
  setField(cpu, PC_RCU_NEXT_TAIL, head);
  setField(cpu, PC_RCU_PENDING, field(cpu, PC_RCU_PENDING) + 1);
}

/** Callbacks of this CPU that have not run. */
export function rcuPending(cpu: Cpu): number {
  return field(cpu, PC_RCU_PENDING);
}

/** Ends the current grace period if every CPU has reported it or is offline. @returns whether this call or another CPU ended it */
export function rcu_try_advance(cpu: Cpu): boolean {
  const current = atomic_read(cpu, H_RCU_GP_SEQ); // Alone: the exchange below checks it.
  const stamp = rcuStamp(current);
  for (let id = 0; id < cpu.memory.size.cpus; id++) {
    const word = (percpuBase(cpu.memory.percpuAt, id as CpuId) + PC_RCU_QS) as Word;
    const seen = atomic_read(cpu, word); // Acquire. Pairs with: rcu_note_quiescent(), rcu_idle_enter(), rcu_idle_exit().
    if (seen !== stamp && seen !== RCU_OFFLINE) return false;
  }
  // Pairs with: rcu_note_quiescent(), which reports the new number only after it has seen it.
  atomic_cmpxchg(cpu, H_RCU_GP_SEQ, current, (current + 1) | 0);
  return true;
}

/** Has grace period `seq` begun? Numbers wrap around. */
const reached = (current: number, seq: number): boolean => ((current - seq) | 0) >= 0;

/**
 * Runs the callbacks whose time has come, and helps the grace period along. One test when nothing is pending. Call between operations,
 * outside read sections. Does what the callbacks do: they may take spinlocks, and may queue more callbacks.
 * @kernel rcu_core()
 */
export function rcu_process_callbacks(cpu: Cpu): void {
  if (field(cpu, PC_RCU_PENDING) === 0) return;
  rcu_note_quiescent(cpu);
  rcu_try_advance(cpu);
  const current = atomic_read(cpu, H_RCU_GP_SEQ); // Acquire: the readers of that period are done. Pairs with: rcu_try_advance().
  const waiting = field(cpu, PC_RCU_WAIT_HEAD);
  const ripe = waiting !== 0 && reached(current, field(cpu, PC_RCU_WAIT_SEQ));
  if (ripe) setField(cpu, PC_RCU_WAIT_HEAD, 0);
  if (field(cpu, PC_RCU_WAIT_HEAD) === 0 && field(cpu, PC_RCU_NEXT_HEAD) !== 0) {
    setField(cpu, PC_RCU_WAIT_HEAD, field(cpu, PC_RCU_NEXT_HEAD));
    setField(cpu, PC_RCU_WAIT_TAIL, field(cpu, PC_RCU_NEXT_TAIL));
    setField(cpu, PC_RCU_WAIT_SEQ, (current + PERIODS) | 0);
    setField(cpu, PC_RCU_NEXT_HEAD, 0);
    setField(cpu, PC_RCU_NEXT_TAIL, 0);
  }
  if (ripe) runCallbacks(cpu, waiting);
}

function runCallbacks(cpu: Cpu, first: number): void {
  for (let head = first; head !== 0; ) {
    const next = cpu.words[head] as number; // Before the call: it frees the object, head included.
    const packed = cpu.words[head + 1] as number;
    setField(cpu, PC_RCU_PENDING, field(cpu, PC_RCU_PENDING) - 1);
    const callback = cpu.rcuCallbacks[packed >>> FUNCTION_SHIFT];
    assert(callback !== undefined, 'rcu: a callback head was overwritten while it was queued');
    callback(cpu, packed & (RCU_ARGUMENT_LIMIT - 1));
    head = next;
  }
}

/** Sleeps until all read sections open now have ended. Outside read sections, no spinlock held. */
export function synchronize_rcu(cpu: Cpu): void {
  assert(cpu.spinDepth === 0, 'synchronize_rcu: sleeping with a spinlock held');
  const target = (atomic_read(cpu, H_RCU_GP_SEQ) + PERIODS) | 0; // Alone: a later number would only wait longer.
  rcu_idle_enter(cpu);
  beginWait(cpu, WAIT_RCU, H_RCU_GP_SEQ);
  for (let looks = EAGER_LOOKS; ; looks--) {
    rcu_try_advance(cpu);
    const current = atomic_read(cpu, H_RCU_GP_SEQ); // Acquire. Pairs with: rcu_try_advance().
    if (reached(current, target)) break;
    if (looks <= 0) park(cpu, H_RCU_GP_SEQ, current, POLL_MS);
  }
  endWait(cpu);
  rcu_idle_exit(cpu);
}

/** Sleeps until all callbacks that this CPU has queued have run. Outside read sections, no spinlock held. */
export function rcu_barrier(cpu: Cpu): void {
  while (field(cpu, PC_RCU_PENDING) !== 0) {
    synchronize_rcu(cpu);
    rcu_process_callbacks(cpu);
  }
}

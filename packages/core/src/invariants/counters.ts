/**
 * I27, Q08, Q10, Q11: at rest the event counters agree with each other, exactly (modulo 2^32).
 *
 *   entries (user + kernel) + GUP attempts = finished + errors + refused before a handler + ended by a signal
 *                                            + pseudo-faults + GUP retries
 *   user entries + retries under the VMA lock
 *                                          = vma_lock abort (of faults at their entry) + success + retry, with per-VMA locks; all 0 without
 *   pgfault                                = finished + errors, and in the old accounting + retries
 *   maj_flt + min_flt                      = finished
 *   pgalloc - pgfree                       = frames in use
 *   mmap_lock read:   taken + downgraded = released.   write: taken = released + downgraded
 *
 * Next: invariants/sweep.ts
 */
import type { CpuId } from '../base/brand.ts';
import { LOCK_MMAP, lockClassName } from '../locking/lock_class.ts';
import { readLockStat } from '../locking/lock_stat.ts';
import { PC_MAJ_FLT, PC_MIN_FLT, percpuBase } from '../memory/percpu.ts';
import { type CounterName, readCounters } from '../trace/counters.ts';
import type { SweepState } from './sweep_state.ts';

export function sweepCounters(state: SweepState): void {
  const counted = readCounters(state.m);
  sweepFaults(state, counted);
  sweepVmaLock(state, counted);
  sweepMmapLock(state, counted);
  compare(state, 'Q08', 'pgalloc - pgfree', counted.pgalloc - counted.pgfree, 'frames in use', state.framesInUse);
}

function compare(state: SweepState, id: string, left: string, leftSum: number, right: string, rightSum: number): void {
  if (((leftSum - rightSum) | 0) !== 0) state.report(id, `${left} is ${leftSum}, but ${right} is ${rightSum}`);
}

type Counted = Readonly<Record<CounterName, number>>;

function sweepFaults(state: SweepState, counted: Counted): void {
  const begun = counted.faults_user + counted.faults_kernel + counted.faults_gup;
  const handled = counted.faults_finished + counted.faults_error;
  const ended = handled + counted.faults_refused + counted.faults_signal + counted.faults_pseudo + counted.faults_gup_retried;
  compare(state, 'Q11', 'user + kernel + GUP faults', begun, 'finished + errors + refused + signals + pseudo-faults + GUP retries', ended);
  const everyAttempt = state.cpu.policy.accounting === 'every-attempt';
  const name = everyAttempt ? 'finished + errors + retries' : 'finished + errors';
  compare(state, 'Q08', 'pgfault', counted.pgfault, name, handled + (everyAttempt ? counted.faults_retried : 0));
  compare(state, 'I27', 'maj_flt + min_flt', taskFaults(state), 'faults finished', counted.faults_finished);
}

function taskFaults(state: SweepState): number {
  const { m } = state;
  let sum = 0;
  for (let id = 0; id < m.size.cpus; id++) {
    const block = percpuBase(m.percpuAt, id as CpuId);
    sum += (m.words[block + PC_MAJ_FLT] as number) + (m.words[block + PC_MIN_FLT] as number);
  }
  return sum;
}

function sweepVmaLock(state: SweepState, counted: Counted): void {
  const others = counted.vma_lock_abort_madvise + counted.vma_lock_abort_reacquire + counted.vma_lock_abort_uffd;
  const answered = counted.vma_lock_abort - others + counted.vma_lock_success + counted.vma_lock_retry;
  const attempts = !state.cpu.entry.vmaLock ? 0 : counted.faults_user + counted.faults_retried_vma;
  compare(state, 'Q08', 'vma_lock abort (of entries) + success + retry', answered, 'attempts', attempts);
}

function sweepMmapLock(state: SweepState, counted: Counted): void {
  const read = counted.mmap_read_acquired + counted.mmap_downgraded;
  const written = counted.mmap_write_released + counted.mmap_downgraded;
  compare(state, 'Q10', 'mmap_lock read, taken + downgraded', read, 'released', counted.mmap_read_released);
  compare(state, 'Q10', 'mmap_lock write, released + downgraded', written, 'taken', counted.mmap_write_acquired);
  const rows = readLockStat(state.m).filter(({ name }) => name === lockClassName(LOCK_MMAP));
  const acquisitions = (mode: 'read' | 'write'): number => rows.find((row) => row.mode === mode)?.acquisitions ?? 0;
  compare(state, 'Q10', 'mmap_lock read in lock_stat', acquisitions('read'), 'taken + downgraded', read);
  compare(state, 'Q10', 'mmap_lock write in lock_stat', acquisitions('write'), 'taken', counted.mmap_write_acquired);
}

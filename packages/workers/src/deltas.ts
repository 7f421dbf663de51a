/**
 * What counters and lock statistics gained between two looks. The words of a CPU wrap at 32 bits, and so does a difference.
 */
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import type { CounterName } from '@faultlab/core/trace/counters';

export type Counters = Readonly<Record<CounterName, number>>;

const WRAP = 2 ** 32;
const gained = (after: number, before: number): number => (((after - before) % WRAP) + WRAP) % WRAP;

export function counterDelta(after: Counters, before: Counters): Counters {
  const names = Object.keys(after) as CounterName[];
  return Object.fromEntries(names.map((name) => [name, gained(after[name], before[name])])) as Counters;
}

export function addCounters(one: Counters, other: Counters): Counters {
  const names = Object.keys(one) as CounterName[];
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as Counters;
}

/** The longest wait has no difference: it is the longest since the machine was booted. */
export function lockStatDelta(after: readonly LockStatRow[], before: readonly LockStatRow[]): LockStatRow[] {
  return after.map((row) => {
    const old = before.find((other) => other.name === row.name && other.mode === row.mode);
    if (old === undefined) return row;
    return {
      ...row,
      acquisitions: gained(row.acquisitions, old.acquisitions),
      contentions: gained(row.contentions, old.contentions),
      waitUsTotal: gained(row.waitUsTotal, old.waitUsTotal),
    };
  });
}

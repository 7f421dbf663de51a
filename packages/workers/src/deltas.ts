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

/** Sums of the same locks of two lists; the longest wait is the longer one. */
export function addLockStats(one: readonly LockStatRow[], other: readonly LockStatRow[]): LockStatRow[] {
  const sums = one.map((row) => {
    const more = other.find(({ name, mode }) => name === row.name && mode === row.mode);
    if (more === undefined) return row;
    return {
      ...row,
      acquisitions: row.acquisitions + more.acquisitions,
      contentions: row.contentions + more.contentions,
      waitUsTotal: row.waitUsTotal + more.waitUsTotal,
      waitUsMax: Math.max(row.waitUsMax, more.waitUsMax),
    };
  });
  return [...sums, ...other.filter((row) => !one.some(({ name, mode }) => name === row.name && mode === row.mode))];
}

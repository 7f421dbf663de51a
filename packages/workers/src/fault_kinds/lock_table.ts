/**
 * Counts of several policies side by side: a row for each kind of fault, a column for each policy.
 * Next: ../cli/faults.ts prints them, scripts/policies_page.mjs puts them into docs/POLICIES.md
 */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import type { FaultCounts } from './measure.ts';

export interface PolicyCounts {
  readonly policy: FaultPolicy;
  readonly counts: readonly FaultCounts[];
}

export interface LockTable {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Acquisitions of mmap_lock: for reading, and with a w for writing. */
const mmapCell = ({ mmapRead, mmapWrite }: FaultCounts): string => (mmapWrite === 0 ? String(mmapRead) : `${mmapRead} + ${mmapWrite}w`);

/** Attempts under the VMA lock, and under mmap_lock. */
const attemptsCell = ({ vmaAttempts, mmapAttempts }: FaultCounts): string =>
  [vmaAttempts > 0 ? `${vmaAttempts} vma` : '', mmapAttempts > 0 ? `${mmapAttempts} mmap` : ''].filter((part) => part !== '').join(', ');

const waitsCell = ({ waits }: FaultCounts): string => waits.join(', ');

const tableOf = (title: string, all: readonly PolicyCounts[], cell: (counts: FaultCounts) => string): LockTable => ({
  title,
  header: ['kind of fault', ...all.map(({ policy }) => policy.name)],
  rows: (all[0]?.counts ?? []).map(({ kind }, row) => [kind, ...all.map(({ counts }) => cell(counts[row] as FaultCounts))]),
});

/** What one fault of each kind takes under each policy. */
export const lockTables = (all: readonly PolicyCounts[]): LockTable[] => {
  const waiting = (all[0]?.counts ?? []).map((_, row) => all.some(({ counts }) => (counts[row]?.waits.length ?? 0) > 0));
  const onlyWaiting = all.map(({ policy, counts }) => ({ policy, counts: counts.filter((_, row) => waiting[row]) }));
  return [
    tableOf('mmap_lock acquisitions of one fault', all, mmapCell),
    tableOf('Attempts of one fault, by the lock that they ran under', all, attemptsCell),
    tableOf('The fault lock that is held while the fault waits, wait by wait', onlyWaiting, waitsCell),
  ];
};

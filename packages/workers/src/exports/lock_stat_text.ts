/**
 * Lock statistics as /proc/lock_stat prints them: version 0.4, its header, its twelve columns. What the model does not measure is 0 there: bounces,
 * shortest waits, and hold times.
 * @kernel kernel/locking/lockdep_proc.c (lock_stat), Documentation/locking/lockstat.rst
 * Next: write_exports.ts
 */
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';

export const LOCK_STAT_COLUMNS = [
  'con-bounces',
  'contentions',
  'waittime-min',
  'waittime-max',
  'waittime-total',
  'waittime-avg',
  'acq-bounces',
  'acquisitions',
  'holdtime-min',
  'holdtime-max',
  'holdtime-total',
  'holdtime-avg',
] as const;

const NAME_WIDTH = 40;
const COLUMN_WIDTH = 14;
const RULE = '-'.repeat(NAME_WIDTH + 1 + LOCK_STAT_COLUMNS.length * (COLUMN_WIDTH + 1));
const us = (microseconds: number): string => microseconds.toFixed(2);

/** Ends with a newline. Locks by contentions, the most contended first. */
export function lockStatText(locks: readonly LockStatRow[]): string {
  const classes = [...new Set(locks.map(({ name }) => name))];
  const contentions = (name: string): number => rowsOf(locks, name).reduce((sum, row) => sum + row.contentions, 0);
  const ordered = classes.sort((a, b) => contentions(b) - contentions(a));
  const blocks = ordered.map((name) => rowsOf(locks, name).map((row, _, { length }) => lineOf(row, length > 1)));
  const header = ['class name'.padStart(NAME_WIDTH), ...LOCK_STAT_COLUMNS.map((column) => column.padStart(COLUMN_WIDTH))].join(' ');
  return ['lock_stat version 0.4', RULE, header, RULE, '', ...blocks.flatMap((lines) => [...lines, ''])].join('\n').concat('\n');
}

const rowsOf = (locks: readonly LockStatRow[], name: string): LockStatRow[] => locks.filter((row) => row.name === name);

/** @param both a class that was taken in both modes has a row for each */
function lineOf({ name, mode, acquisitions, contentions, waitUsMax, waitUsTotal }: LockStatRow, both: boolean): string {
  const title = both ? `${name}-${mode === 'write' ? 'W' : 'R'}` : name;
  const average = contentions === 0 ? 0 : waitUsTotal / contentions;
  const cells = [
    '0',
    String(contentions),
    us(0),
    us(waitUsMax),
    us(waitUsTotal),
    us(average),
    '0',
    String(acquisitions),
    ...[0, 0, 0, 0].map(us),
  ];
  return [`${title.padStart(NAME_WIDTH)}:`, cells.map((cell) => cell.padStart(COLUMN_WIDTH)).join(' ')].join('');
}

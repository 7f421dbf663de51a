/**
 * Lock statistics in the columns of /proc/lock_stat, as far as they are measured here: waits on the slow path, and counts.
 */
import type { LockStatRow } from '@faultlab/core/locking/lock_stat';
import { textTable } from './text_table.ts';

const us = (microseconds: number): string => microseconds.toFixed(2);

/** @returns lines; times in microseconds */
export function lockStatTable(rows: readonly LockStatRow[]): string[] {
  const cells = rows.map((row) => [
    `${row.name}-${row.mode === 'write' ? 'W' : 'R'}:`,
    String(row.contentions),
    us(row.waitUsMax),
    us(row.waitUsTotal),
    us(row.contentions === 0 ? 0 : row.waitUsTotal / row.contentions),
    String(row.acquisitions),
  ]);
  return [
    "# faultlab: a model's output, not a kernel's; no bounces and no hold times are measured",
    'lock_stat version 0.4',
    ...textTable(['class name', 'contentions', 'waittime-max', 'waittime-total', 'waittime-avg', 'acquisitions'], cells),
  ];
}

/**
 * Lock statistics per CPU, class and mode: how often taken, how often after a wait, and how long the waits were.
 * Waits are timed on the slow path only, so an uncontended lock reads no clock. Hold times are not measured: that would cost two clock
 * readings, about three times the price of the lock itself.
 * @kernel kernel/locking/lockdep.c (struct lock_class_stats), Documentation/locking/lockstat.rst
 * @fidelity reduced: no hold times, no bounces, no contention points
 * Next: locking/rwsem.ts counts here
 */
import { assert } from '../base/assert.ts';
import type { CpuId } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_STAT_WORDS, PC_LOCK_STAT, percpuBase } from '../memory/percpu.ts';
import type { SharedMemory } from '../memory/shared_memory.ts';
import { LOCK_CLASSES, LOCK_CLASSES_MAX, type LockClass } from './lock_class.ts';

/** A copy: V8 folds a constant of this module into the machine code, an imported one it loads each time. */
const STAT_AT = PC_LOCK_STAT;
const ACQUISITIONS = 0;
const CONTENTIONS = 1;
const WAIT_US_TOTAL = 2;
const WAIT_US_MAX = 3;
/** Words per class and mode, as a shift. */
const ROW_SHIFT = 2;
assert(LOCK_CLASSES_MAX * 2 * (1 << ROW_SHIFT) <= LOCK_STAT_WORDS, 'lock_stat: the per-CPU block has too few words');

const row = (lockClass: LockClass, mode: number): number => STAT_AT + (((lockClass << 1) | mode) << ROW_SHIFT);

/** Counts one acquisition. A plain increment: only this CPU writes the word. @kernel lock_acquired() */
export function lockAcquired(cpu: Cpu, lockClass: LockClass, mode: number): void {
  const word = cpu.percpu + row(lockClass, mode) + ACQUISITIONS;
  cpu.words[word] = ((cpu.words[word] as number) + 1) | 0;
}

/** Counts one wait, successful or not, that began at `sinceMs` on this CPU's clock and has just ended. @kernel lock_contended() */
export function lockContended(cpu: Cpu, lockClass: LockClass, mode: number, sinceMs: number): void {
  const { words } = cpu;
  const at = cpu.percpu + row(lockClass, mode);
  const waitedUs = Math.max(0, Math.round((cpu.now() - sinceMs) * 1000));
  words[at + CONTENTIONS] = ((words[at + CONTENTIONS] as number) + 1) | 0;
  words[at + WAIT_US_TOTAL] = ((words[at + WAIT_US_TOTAL] as number) + waitedUs) | 0;
  if (waitedUs > (words[at + WAIT_US_MAX] as number) >>> 0) words[at + WAIT_US_MAX] = waitedUs | 0;
}

export interface LockStatRow {
  readonly name: string;
  /** 'read' or 'write'. */
  readonly mode: 'read' | 'write';
  readonly acquisitions: number;
  /** Acquisitions and attempts that went through the slow path. */
  readonly contentions: number;
  readonly waitUsTotal: number;
  readonly waitUsMax: number;
}

/** Sums over all CPUs, one row per class and mode that was used. Exact when the CPUs are idle. */
export function readLockStat(memory: SharedMemory): LockStatRow[] {
  const rows: LockStatRow[] = [];
  LOCK_CLASSES.forEach(({ name }, lockClass) => {
    for (const mode of [1, 0]) {
      const sum = { acquisitions: 0, contentions: 0, waitUsTotal: 0, waitUsMax: 0 };
      for (let id = 0; id < memory.size.cpus; id++) {
        const at = percpuBase(memory.percpuAt, id as CpuId) + row(lockClass, mode);
        const word = (field: number): number => (memory.words[at + field] as number) >>> 0;
        sum.acquisitions += word(ACQUISITIONS);
        sum.contentions += word(CONTENTIONS);
        sum.waitUsTotal += word(WAIT_US_TOTAL);
        sum.waitUsMax = Math.max(sum.waitUsMax, word(WAIT_US_MAX));
      }
      if (sum.acquisitions + sum.contentions > 0) rows.push({ name, mode: mode === 1 ? 'write' : 'read', ...sum });
    }
  });
  return rows;
}

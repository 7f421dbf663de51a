/**
 * Writeback: a bit of the flags that is set while the folio's contents are on their way to the device. The folio is not locked meanwhile.
 * @kernel mm/filemap.c folio_end_writeback(); mm/page-writeback.c folio_wait_writeback(), __folio_start_writeback()
 * @fidelity reduced: no tags in the page cache, one count for the machine, pages that reclaim wants are only counted
 * Next: mm/filemap.ts
 */
import { invariant } from '../base/assert.ts';
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { atomic_fetch_add } from '../memory/atomic.ts';
import { count_vm_event, PGROTATED } from '../trace/counters.ts';
import { folio_flags, folioClear, folioSet, PG_reclaim, PG_waiters, PG_writeback } from './folio.ts';
import { folioLockOwner } from './folio_lock.ts';
import { folio_wait_bit, folio_wait_bit_killable, folio_wake_bit } from './folio_wait.ts';
import { NR_WRITEBACK } from './vmstat.ts';

/** Is the folio being written? */
export const folio_test_writeback = (cpu: Cpu, pfn: Pfn): boolean => (folio_flags(cpu, pfn) & PG_writeback) !== 0;

/** Marks the folio as being written. @locks in: the folio lock */
export function folio_start_writeback(cpu: Cpu, pfn: Pfn): void {
  invariant(folioLockOwner(cpu, pfn) === cpu.id + 1, 'I20', 'folio_start_writeback: this CPU does not hold the folio lock');
  const before = folioSet(cpu, pfn, PG_writeback); // Alone: under the folio lock.
  invariant((before & PG_writeback) === 0, 'I20', 'folio_start_writeback: the folio is being written already');
  atomic_fetch_add(cpu, NR_WRITEBACK, 1); // Alone: a count.
}

/** The device has the contents: wakes all who waited for it. By whoever finishes the I/O. Never sleeps. */
export function folio_end_writeback(cpu: Cpu, pfn: Pfn): void {
  // Reclaim wants it next. Alone: a hint.
  if ((folio_flags(cpu, pfn) & PG_reclaim) !== 0 && (folioClear(cpu, pfn, PG_reclaim) & PG_reclaim) !== 0) count_vm_event(cpu, PGROTATED);
  atomic_fetch_add(cpu, NR_WRITEBACK, -1); // Before the bit: who has waited for the bit sees the count. Pairs with: the sweep of a machine at rest.
  const before = folioClear(cpu, pfn, PG_writeback); // Release, and a look for waiters. Pairs with: queueUnlessFree().
  invariant((before & PG_writeback) !== 0, 'I20', 'folio_end_writeback: the folio was not being written');
  if ((before & PG_waiters) !== 0) folio_wake_bit(cpu, pfn, PG_writeback);
}

/** Waits until the folio is not being written, also through several rounds. Uninterruptible. The caller has a reference. */
export function folio_wait_writeback(cpu: Cpu, pfn: Pfn): void {
  while (folio_test_writeback(cpu, pfn)) folio_wait_bit(cpu, pfn, PG_writeback);
}

/** As folio_wait_writeback(), but a fatal signal ends the wait. @returns 0 or EINTR */
export function folio_wait_writeback_killable(cpu: Cpu, pfn: Pfn): number {
  while (folio_test_writeback(cpu, pfn)) {
    const result = folio_wait_bit_killable(cpu, pfn, PG_writeback);
    if (result !== 0) return result;
  }
  return 0;
}

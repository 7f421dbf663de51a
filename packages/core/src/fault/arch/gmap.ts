/**
 * The step that s390 added to the end of a guest's fault: the page is in the host's tables, and the guest's tables get a link to them.
 *
 *   faulting CPU                                        unmapping CPU
 *   1 maps the page, drops mmap_lock: COMPLETED
 *                                                       2 unmaps the area, frees the table
 *   3 links the guest to the table   <- decides: only under mmap_lock, taken again, is the table known to be there
 *
 * @kernel arch/s390/mm/gmap.c __gmap_link(); arch/s390/mm/fault.c do_exception() (until 6.12)
 * @fidelity reduced: guests have no tables here; the step finds the host's table, and checks that it may
 * Next: fault/do_user_addr_fault.ts
 */
import type { MmId, Vpn } from '../../base/brand.ts';
import { NO_TABLE } from '../../base/brand.ts';
import type { Cpu } from '../../cpu.ts';
import { mmap_assert_locked, mmap_read_lock, mmap_read_unlock } from '../../mm/mmap_lock.ts';
import { findPteTable } from '../../mm/page_table.ts';
import { MUTANT_B23B } from '../../mutants/ids.ts';
import { count_vm_event, GMAP_LINKS } from '../../trace/counters.ts';
import { at, BEFORE_GMAP_LINK } from '../../trace/points.ts';

/** @locks in and out: mmap read. @returns whether the guest has the page now: not when the table is gone */
export function __gmap_link(cpu: Cpu, mm: MmId, vpn: Vpn): boolean {
  mmap_assert_locked(cpu, mm);
  if (findPteTable(cpu, mm, vpn) === NO_TABLE) return false;
  count_vm_event(cpu, GMAP_LINKS);
  return true;
}

/** The same after COMPLETED, which has dropped mmap_lock. @locks none in, none out. Takes mmap_lock for reading; may sleep. */
export function gmapLinkAfterCompleted(cpu: Cpu, mm: MmId, vpn: Vpn): boolean {
  at(cpu, BEFORE_GMAP_LINK);
  if (cpu.entry.gmapRetakesLock && cpu.mutant !== MUTANT_B23B) mmap_read_lock(cpu, mm);
  const linked = __gmap_link(cpu, mm, vpn);
  mmap_read_unlock(cpu, mm);
  return linked;
}

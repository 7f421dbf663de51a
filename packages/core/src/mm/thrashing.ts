/**
 * Thrashing: waits for pages that had been in use, that reclaim took, and that are being read again. Each is counted, and its time, for the CPU that waits.
 * @kernel kernel/delayacct.c __delayacct_thrashing_start(), __delayacct_thrashing_end(); kernel/sched/psi.c psi_memstall_enter()
 * @fidelity reduced: no shares of stalled time, only sums
 * Next: mm/workingset.ts says which pages those are
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { count_vm_event, count_vm_events, THRASHING_COUNT, THRASHING_US } from '../trace/counters.ts';
import { folio_flags, PG_uptodate, PG_workingset } from './folio.ts';

const US_PER_MS = 1000;

/** Is a wait for the lock of this folio thrashing? */
export const isThrashing = (cpu: Cpu, pfn: Pfn): boolean => (folio_flags(cpu, pfn) & (PG_uptodate | PG_workingset)) === PG_workingset;

/** Such a wait is over. @param sinceMs when it began, on the clock of the CPU */
export function countThrashing(cpu: Cpu, sinceMs: number): void {
  count_vm_event(cpu, THRASHING_COUNT);
  count_vm_events(cpu, THRASHING_US, Math.round((cpu.now() - sinceMs) * US_PER_MS));
}

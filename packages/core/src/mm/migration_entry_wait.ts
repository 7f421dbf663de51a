/**
 * Waiting until a page that is being moved has arrived. The waiter takes no reference: one more would make the move fail. What keeps the folio
 * until the waiter is in its queue is the entry, under the page-table lock.
 *
 *   faulting CPU                              moving CPU (folio locked)
 *   1 page-table lock: still a migration entry
 *   2 joins the queue of the folio lock
 *   3 page-table lock released
 *                                             4 page-table lock: puts the new entry there
 *                                             5 unlocks the folio, serves its queue  <- decides: 2 comes before 4, so before 5
 *   6 woken; touches neither folio nor entry, and faults again
 *
 * @kernel mm/migrate.c migration_entry_wait(); mm/filemap.c migration_entry_wait_on_locked()
 * @fidelity reduced: no accounting as I/O wait
 * Next: mm/migrate.ts
 */
import type { Pfn, TableId, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { LOCK_FOLIO } from '../locking/lock_class.ts';
import { checkLockOrder } from '../locking/lockdep.ts';
import { TASK_UNINTERRUPTIBLE } from '../sched/task.ts';
import { count_vm_event, MIGRATION_WAITS } from '../trace/counters.ts';
import { PG_locked } from './folio.ts';
import { queueUnlessFree, sleepUntilWoken } from './folio_wait.ts';
import { ptep_get } from './page_table.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import { is_migration_entry, is_swap_pte, pfn_swap_entry_to_page, pte_to_swp_entry } from './swap_entry.ts';

/** Waits if the page is being moved. @locks in and out: the fault lock, or another that keeps the table. Sleeps, and no signal ends the sleep */
export function migration_entry_wait(cpu: Cpu, table: TableId, vpn: Vpn): void {
  if (cpu.verify) checkLockOrder(cpu, LOCK_FOLIO);
  const pte = ptep_get(cpu, pte_offset_map_lock(cpu, table, vpn));
  if (!is_swap_pte(pte) || !is_migration_entry(pte_to_swp_entry(pte))) {
    pte_unmap_unlock(cpu, table);
    return;
  }
  migration_entry_wait_on_locked(cpu, pfn_swap_entry_to_page(pte_to_swp_entry(pte)), table);
}

/** @locks in: the page-table lock, under which an entry stands for the locked folio. out: released */
function migration_entry_wait_on_locked(cpu: Cpu, pfn: Pfn, table: TableId): void {
  count_vm_event(cpu, MIGRATION_WAITS);
  const free = queueUnlessFree(cpu, pfn, PG_locked, 0);
  pte_unmap_unlock(cpu, table);
  if (!free) sleepUntilWoken(cpu, pfn, TASK_UNINTERRUPTIBLE);
}

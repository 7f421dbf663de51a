/**
 * Taking the page-table lock and comparing with what was seen before: every change of an entry starts here.
 * @kernel mm/pgtable-generic.c pte_offset_map_lock(); include/linux/pgtable.h pte_same()
 * @fidelity reduced: tables are never replaced by huge entries
 * Next: fault/handle_pte_fault.ts
 */
import type { Pte, TableId, Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { at, BEFORE_PTL } from '../trace/points.ts';
import { ptep_get, pteWord, tableLockWord } from './page_table.ts';

/** Locks a PTE table. @returns the word of the page's entry. @locks out: the table's lock (a spinlock) */
export function pte_offset_map_lock(cpu: Cpu, table: TableId, vpn: Vpn): Word {
  at(cpu, BEFORE_PTL);
  spin_lock(cpu, tableLockWord(cpu.memory, table));
  return pteWord(cpu.memory, table, vpn);
}

export function pte_unmap_unlock(cpu: Cpu, table: TableId): void {
  spin_unlock(cpu, tableLockWord(cpu.memory, table));
}

/** Is the entry still what the fault saw at its start (R13)? Young and dirty may change without notice, which counts as a change. */
export const pte_same = (cpu: Cpu, entry: Word, seen: Pte): boolean => ptep_get(cpu, entry) === seen;

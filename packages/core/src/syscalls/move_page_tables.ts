/**
 * Moves the entries of a range from one place of the address space to another.
 *
 *   moving CPU                                reverse walk (reclaim, truncation)
 *   1 both page-table locks, rmap locks
 *                                             2 looks at the old place: entry gone, or at the new: not there yet?
 *   3 the entry is in one place or the other  <- decides: the rmap locks make the walk wait, so it sees all or nothing
 *
 * @kernel mm/mremap.c move_page_tables(), move_ptes()
 * @fidelity reduced: always takes the rmap locks; flushes under the page-table lock once per table
 * Next: mm/page_table.ts
 */
import type { MmId, TableId, VmaId, Vpn } from '../base/brand.ts';
import { NO_TABLE } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { findPteTable, PMD_PAGES, pte_alloc, ptep_get, ptep_get_and_clear, pteWord, set_pte_at, tableLockWord } from '../mm/page_table.ts';
import { pte_none } from '../mm/pte.ts';
import { flush_tlb_range } from '../mm/tlb.ts';
import { vma_has_uffd_without_event_remap, withoutUffdWp } from '../mm/userfaultfd_k.ts';
import { vm_mm } from '../mm/vm_area_struct.ts';
import { lockRmap, unlockRmap } from '../mm/vma.ts';
import { MUTANT_B31A } from '../mutants/ids.ts';

/**
 * Moves the entries of `len` pages. @locks in: mmap write, VMA write on both areas. May sleep for the rmap locks.
 * @returns false when a page table could not be allocated; what was moved before stays moved
 */
export function move_page_tables(cpu: Cpu, from: VmaId, to: VmaId, oldAddr: Vpn, newAddr: Vpn, len: number): boolean {
  const mm = vm_mm(cpu.memory, from);
  const unprotect = vma_has_uffd_without_event_remap(cpu.memory, from);
  for (let done = 0; done < len; ) {
    const oldVpn = (oldAddr + done) as Vpn;
    const newVpn = (newAddr + done) as Vpn;
    const untilTableEnd = Math.min(PMD_PAGES - (oldVpn % PMD_PAGES), PMD_PAGES - (newVpn % PMD_PAGES), len - done);
    const oldTable = findPteTable(cpu, mm, oldVpn);
    if (oldTable !== NO_TABLE) {
      const newTable = pte_alloc(cpu, mm, newVpn);
      if (newTable === NO_TABLE) return false;
      lockRmap(cpu, to);
      move_ptes(cpu, mm, oldTable, newTable, oldVpn, newVpn, untilTableEnd, unprotect);
      unlockRmap(cpu, to);
      if (cpu.mutant === MUTANT_B31A) flush_tlb_range(cpu, mm, oldVpn, (oldVpn + untilTableEnd) as Vpn);
    }
    done += untilTableEnd;
  }
  return true;
}

/** @param unprotect the new place is not registered with userfaultfd: its entries lose the write protection of a handler */
function move_ptes(
  cpu: Cpu,
  mm: MmId,
  oldTable: TableId,
  newTable: TableId,
  oldVpn: Vpn,
  newVpn: Vpn,
  count: number,
  unprotect: boolean,
): void {
  lockBoth(cpu, oldTable, newTable);
  let moved = false;
  for (let i = 0; i < count; i++) {
    const entry = pteWord(cpu.memory, oldTable, (oldVpn + i) as Vpn);
    if (pte_none(ptep_get(cpu, entry))) continue;
    const old = ptep_get_and_clear(cpu, entry);
    const pte = unprotect ? withoutUffdWp(old) : old;
    if (!pte_none(pte)) set_pte_at(cpu, pteWord(cpu.memory, newTable, (newVpn + i) as Vpn), pte);
    moved = true;
  }
  // Before the locks go: nobody may free or reuse a page that a stale translation of the old place still reaches.
  if (moved && cpu.mutant !== MUTANT_B31A) flush_tlb_range(cpu, mm, oldVpn, (oldVpn + count) as Vpn);
  unlockBoth(cpu, oldTable, newTable);
}

/** In order of table number, so that two movers cannot wait for each other. */
function lockBoth(cpu: Cpu, a: TableId, b: TableId): void {
  const [first, second] = a < b ? [a, b] : [b, a];
  spin_lock(cpu, tableLockWord(cpu.memory, first));
  if (first !== second) spin_lock(cpu, tableLockWord(cpu.memory, second));
}

function unlockBoth(cpu: Cpu, a: TableId, b: TableId): void {
  spin_unlock(cpu, tableLockWord(cpu.memory, a));
  if (a !== b) spin_unlock(cpu, tableLockWord(cpu.memory, b));
}

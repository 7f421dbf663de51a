/**
 * A page that a device has for itself for a while: atomic operations of the device on it are atomic only if no CPU can reach it. The entry goes
 * and a device-exclusive one takes its place, with the reference and the mapping of the old one; the first CPU that wants the page takes it back.
 * @kernel mm/rmap.c make_device_exclusive(); mm/memory.c restore_exclusive_pte(), try_restore_exclusive_pte()
 * @fidelity reduced: no notifier tells the device that its right has ended
 * Next: fault/remove_device_exclusive_entry.ts
 */
import { invariant } from '../base/assert.ts';
import type { MmId, Pfn, Pte, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import { EBUSY, ENOENT } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { can_change_pte_writable } from './can_change_pte_writable.ts';
import { folio_test_anon, folioSet, folioTest, PG_anon_exclusive, PG_dirty } from './folio.ts';
import { folio_lock, folio_test_locked, folio_trylock, folio_unlock } from './folio_lock.ts';
import { changeEntryIfSame, mappedPage } from './mapped_page.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { folio_put } from './page_alloc.ts';
import { findPteTable, ptep_get_and_clear, set_pte_at } from './page_table.ts';
import { mk_pte, PTE_DIRTY, PTE_RW, PTE_UFFD_WP, protectionBits, pte_dirty, pte_pfn, pte_present, pte_special } from './pte.ts';
import { make_device_exclusive_entry, pfn_swap_entry_to_page, pte_to_swp_entry, swp_entry_to_pte } from './swap_entry.ts';
import { flush_tlb_range } from './tlb.ts';
import { vm_flags } from './vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_WRITE } from './vm_flags.ts';

/**
 * Gives one page of an address space to a device alone. It must be anonymous and this entry's alone, as after a write.
 * @locks none in or out. Takes mmap_lock for reading and the folio lock; may sleep. @returns 0, ENOENT, EFAULT, or EBUSY for a page that others see too
 */
export function makeDeviceExclusive(cpu: Cpu, mm: MmId, vpn: Vpn): number {
  mmap_read_lock(cpu, mm);
  const { error, pfn } = mappedPage(cpu, mm, vpn);
  let result = error;
  if (error === 0) {
    folio_lock(cpu, pfn);
    result = make_device_exclusive(cpu, mm, vpn, pfn);
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
  }
  mmap_read_unlock(cpu, mm);
  return result;
}

/** @locks in: mmap read, the folio lock */
function make_device_exclusive(cpu: Cpu, mm: MmId, vpn: Vpn, pfn: Pfn): number {
  if (!folio_test_anon(cpu, pfn) || !folioTest(cpu, pfn, PG_anon_exclusive)) return EBUSY;
  const table: TableId = findPteTable(cpu, mm, vpn);
  const maps = (pte: Pte): boolean => pte_present(pte) && !pte_special(pte) && pte_pfn(pte) === pfn;
  const done = changeEntryIfSame(cpu, table, vpn, maps, (entry) => {
    const old = ptep_get_and_clear(cpu, entry);
    flush_tlb_range(cpu, mm, vpn, (vpn + 1) as Vpn);
    if (pte_dirty(old)) folioSet(cpu, pfn, PG_dirty);
    set_pte_at(cpu, entry, (swp_entry_to_pte(make_device_exclusive_entry(pfn)) | (old & PTE_UFFD_WP)) as Pte);
  });
  return done ? 0 : ENOENT;
}

/** A CPU takes the page back. @param pte device-exclusive. @locks in: the folio lock, the page-table lock */
export function restore_exclusive_pte(cpu: Cpu, vma: VmaId, entry: Word, pte: Pte): void {
  const pfn = pfn_swap_entry_to_page(pte_to_swp_entry(pte));
  invariant(folio_test_locked(cpu, pfn), 'I20', 'restore_exclusive_pte: the folio is not locked');
  const flags = vm_flags(cpu.memory, vma);
  let fresh = mk_pte(pfn, protectionBits((flags & VM_ACCESS_FLAGS) !== 0) | (pte & PTE_UFFD_WP));
  if ((flags & VM_WRITE) !== 0 && can_change_pte_writable(cpu, vma, fresh))
    fresh = (fresh | PTE_RW | (folioTest(cpu, pfn, PG_dirty) ? PTE_DIRTY : 0)) as Pte;
  set_pte_at(cpu, entry, fresh);
}

/** As restore_exclusive_pte(), for a caller that cannot sleep. @locks in: the page-table lock. @returns whether the folio lock was free */
export function try_restore_exclusive_pte(cpu: Cpu, vma: VmaId, entry: Word, pte: Pte): boolean {
  const pfn = pfn_swap_entry_to_page(pte_to_swp_entry(pte));
  if (!folio_trylock(cpu, pfn)) return false;
  restore_exclusive_pte(cpu, vma, entry, pte);
  folio_unlock(cpu, pfn);
  return true;
}

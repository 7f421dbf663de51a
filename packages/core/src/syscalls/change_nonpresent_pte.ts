/**
 * mprotect on a page that is not present: an entry that would become a writable one later must not, whatever the new protection is.
 * @kernel mm/mprotect.c change_pte_range(), its part for entries that are not present
 * @fidelity faithful for the kinds of entries that exist here
 * Next: syscalls/change_protection.ts
 */
import type { Pte, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folio_test_anon } from '../mm/folio.ts';
import { set_pte_at } from '../mm/page_table.ts';
import { PTE_UFFD_WP } from '../mm/pte.ts';
import {
  is_writable_device_private_entry,
  is_writable_migration_entry,
  make_readable_device_private_entry,
  make_readable_exclusive_migration_entry,
  make_readable_migration_entry,
  pfn_swap_entry_to_page,
  pte_to_swp_entry,
  swp_entry_to_pte,
} from '../mm/swap_entry.ts';

/** @param pte neither empty nor present. @locks in: mmap write, VMA write, the page-table lock. No translation exists, so none is flushed */
export function change_nonpresent_pte(cpu: Cpu, entry: Word, pte: Pte): void {
  const swp = pte_to_swp_entry(pte);
  const kept = pte & PTE_UFFD_WP;
  if (is_writable_migration_entry(swp)) {
    const pfn = pfn_swap_entry_to_page(swp);
    const readable = folio_test_anon(cpu, pfn) ? make_readable_exclusive_migration_entry(pfn) : make_readable_migration_entry(pfn);
    set_pte_at(cpu, entry, (swp_entry_to_pte(readable) | kept) as Pte);
  } else if (is_writable_device_private_entry(swp)) {
    const readable = make_readable_device_private_entry(pfn_swap_entry_to_page(swp));
    set_pte_at(cpu, entry, (swp_entry_to_pte(readable) | kept) as Pte);
  }
}

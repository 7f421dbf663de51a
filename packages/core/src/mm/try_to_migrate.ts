/**
 * Taking a page out of all page tables, leaving entries that say "being moved"; and putting it, or what has taken its place, back.
 *
 *   entry before                     while it is moved            afterwards
 *   present, writable                MIGRATION_WRITE              writable
 *   present, this page's alone       MIGRATION_READ_EXCLUSIVE     read-only, a write may use it in place
 *   present                          MIGRATION_READ               read-only
 *
 * To memory of a device the same way; there "afterwards" is a device-private entry, writable or not.
 * @kernel mm/rmap.c try_to_migrate_one(); mm/migrate.c remove_migration_pte()
 * @fidelity reduced: no young and dirty bits in migration entries; the resident set does not count the page meanwhile
 * Next: mm/migrate.ts
 */
import type { Pfn, Pte, SwpEntry, TableId, VmaId, Vpn, Word } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { at, BEFORE_MIGRATION_ENTRY } from '../trace/points.ts';
import {
  folio_get,
  folio_maybe_dma_pinned,
  folio_test_anon,
  folioClear,
  folioSet,
  folioTest,
  PG_anon_exclusive,
  PG_device,
  PG_dirty,
} from './folio.ts';
import { folio_mark_dirty } from './folio_dirty.ts';
import { folio_put } from './page_alloc.ts';
import { ptep_get, ptep_get_and_clear, set_pte_at } from './page_table.ts';
import { mk_pte, PTE_RW, PTE_UFFD_WP, protectionBits, pte_dirty, pte_present, pte_write } from './pte.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pte_lock.ts';
import { folio_add_rmap_pte, folio_remove_rmap_pte } from './rmap.ts';
import { rmapFolio } from './rmap_folio.ts';
import { rmapVisitPlaces } from './rmap_places.ts';
import {
  is_migration_entry,
  is_readable_migration_entry,
  is_swap_pte,
  is_writable_device_private_entry,
  is_writable_migration_entry,
  make_readable_device_private_entry,
  make_readable_exclusive_migration_entry,
  make_readable_migration_entry,
  make_writable_device_private_entry,
  make_writable_migration_entry,
  pfn_swap_entry_to_page,
  pte_to_swp_entry,
  swp_entry_to_pte,
} from './swap_entry.ts';
import { flush_tlb_range } from './tlb.ts';
import { vm_flags, vm_mm } from './vm_area_struct.ts';
import { VM_ACCESS_FLAGS, VM_WRITE } from './vm_flags.ts';

/**
 * Puts migration entries where the folio is mapped. Afterwards it is mapped no more, unless somebody has pinned it.
 * @locks in: the folio lock, a reference; as rmapVisitPlaces(). May sleep
 */
export function try_to_migrate(cpu: Cpu, pfn: Pfn, mapping: number, index: number): void {
  rmapVisitPlaces(cpu, mapping, index, (vma, vpn, table) => {
    at(cpu, BEFORE_MIGRATION_ENTRY);
    const entry = pte_offset_map_lock(cpu, table, vpn);
    if (rmapFolio(ptep_get(cpu, entry)) === pfn) try_to_migrate_one(cpu, pfn, vma, vpn, entry);
    pte_unmap_unlock(cpu, table);
  });
}

/** @locks in: the page-table lock, the entry maps the folio */
function try_to_migrate_one(cpu: Cpu, pfn: Pfn, vma: VmaId, vpn: Vpn, entry: Word): void {
  const exclusive = folio_test_anon(cpu, pfn) && folioTest(cpu, pfn, PG_anon_exclusive);
  // Pins are taken under this page-table lock, so one that is not there now does not come. @kernel folio_try_share_anon_rmap_pte()
  if (exclusive && folio_maybe_dma_pinned(cpu, pfn)) return;
  const old = ptep_get_and_clear(cpu, entry);
  if (pte_present(old)) flush_tlb_range(cpu, vm_mm(cpu.memory, vma), vpn, (vpn + 1) as Vpn);
  if (pte_present(old) && pte_dirty(old)) markDirty(cpu, pfn);
  if (exclusive) folioClear(cpu, pfn, PG_anon_exclusive);
  set_pte_at(cpu, entry, (swp_entry_to_pte(migrationEntry(pfn, old, exclusive)) | (old & PTE_UFFD_WP)) as Pte);
  folio_remove_rmap_pte(cpu, pfn, vma);
  folio_put(cpu, pfn); // Not the last one: the mover has a reference.
}

/** A file keeps count of its dirty pages. */
function markDirty(cpu: Cpu, pfn: Pfn): void {
  if (folio_test_anon(cpu, pfn)) folioSet(cpu, pfn, PG_dirty);
  else folio_mark_dirty(cpu, pfn);
}

function migrationEntry(pfn: Pfn, old: Pte, exclusive: boolean): SwpEntry {
  const writable = pte_present(old) ? pte_write(old) : is_writable_device_private_entry(pte_to_swp_entry(old));
  if (writable) return make_writable_migration_entry(pfn);
  return exclusive ? make_readable_exclusive_migration_entry(pfn) : make_readable_migration_entry(pfn);
}

/**
 * Replaces the migration entries of a page by entries that map its new folio, or the old one again when the move has failed.
 * @param old the folio that the entries name, @param folio the one that they are to map
 * @locks in: the folio locks; as rmapVisitPlaces(). May sleep
 */
export function remove_migration_ptes(cpu: Cpu, old: Pfn, folio: Pfn, mapping: number, index: number): void {
  rmapVisitPlaces(cpu, mapping, index, (vma, vpn, table) => remove_migration_pte(cpu, old, folio, vma, vpn, table));
}

function remove_migration_pte(cpu: Cpu, old: Pfn, folio: Pfn, vma: VmaId, vpn: Vpn, table: TableId): void {
  const entry = pte_offset_map_lock(cpu, table, vpn);
  const pte = ptep_get(cpu, entry);
  const swp = pte_to_swp_entry(pte);
  if (is_swap_pte(pte) && is_migration_entry(swp) && pfn_swap_entry_to_page(swp) === old) {
    folio_get(cpu, folio);
    folio_add_rmap_pte(cpu, folio, vma);
    if (folio_test_anon(cpu, folio) && !is_readable_migration_entry(swp)) folioSet(cpu, folio, PG_anon_exclusive);
    set_pte_at(cpu, entry, (arrived(cpu, folio, vma, swp) | (pte & PTE_UFFD_WP)) as Pte);
  }
  pte_unmap_unlock(cpu, table);
}

function arrived(cpu: Cpu, folio: Pfn, vma: VmaId, swp: SwpEntry): Pte {
  const writable = is_writable_migration_entry(swp);
  if (folioTest(cpu, folio, PG_device))
    return swp_entry_to_pte(writable ? make_writable_device_private_entry(folio) : make_readable_device_private_entry(folio));
  const flags = vm_flags(cpu.memory, vma);
  const mayWrite = writable && (flags & VM_WRITE) !== 0;
  return mk_pte(folio, protectionBits((flags & VM_ACCESS_FLAGS) !== 0) | (mayWrite ? PTE_RW : 0));
}

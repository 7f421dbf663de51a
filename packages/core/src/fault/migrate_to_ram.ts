/**
 * A CPU wants a page that lives in the memory of a device: its driver moves it back.
 *
 *   faulting CPU A                            faulting CPU B
 *   1 entry is device-private: reference, folio trylock
 *                                             2 the same: the lock is taken  <- decides: B does nothing and faults again
 *   3 moves the page: migration entries meanwhile
 *                                             4 waits for A's lock, or finds the page
 *
 * @kernel mm/memory.c do_swap_page() for device-private entries; dev_pagemap_ops.migrate_to_ram
 * @fidelity reduced: one driver, which moves one page; it says OOM when there is no frame, where others say SIGBUS
 * Next: mm/migrate.ts
 */
import type { Pfn } from '../base/brand.ts';
import { ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { folio_get, NO_FOLIO } from '../mm/folio.ts';
import { folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { migrateLockedFolio } from '../mm/migrate.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { pte_offset_map_lock, pte_same, pte_unmap_unlock } from '../mm/pte_lock.ts';
import { pfn_swap_entry_to_page, pte_to_swp_entry } from '../mm/swap_entry.ts';
import { at, BEFORE_MIGRATE_TO_RAM } from '../trace/points.ts';
import { VM_FAULT_OOM, type VmFault, type VmFaultBits } from './vm_fault.ts';

/** @locks in and out: mmap read, not the VMA lock. May sleep. @returns 0, also when the page could not be moved just now, or OOM. Row 40 */
export function migrate_to_ram(cpu: Cpu, vmf: VmFault): VmFaultBits {
  const pfn = lockDevicePage(cpu, vmf);
  if (pfn === NO_FOLIO) return 0;
  at(cpu, BEFORE_MIGRATE_TO_RAM);
  const moved = migrateLockedFolio(cpu, pfn, 'sync', 'ram');
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  return moved === ENOMEM ? VM_FAULT_OOM : 0;
}

/** The page of the entry, locked and with a reference; NO_FOLIO when the entry has changed (R13) or somebody else is at it. */
function lockDevicePage(cpu: Cpu, vmf: VmFault): Pfn {
  const entry = pte_offset_map_lock(cpu, vmf.table, vmf.vpn);
  const pfn = pfn_swap_entry_to_page(pte_to_swp_entry(vmf.orig_pte));
  const mine = pte_same(cpu, entry, vmf.orig_pte) && folio_trylock(cpu, pfn);
  if (mine) folio_get(cpu, pfn);
  pte_unmap_unlock(cpu, vmf.table);
  return mine ? pfn : NO_FOLIO;
}

/**
 * Moving a page of a program into the memory of a device, which no CPU can reach: its entries become device-private ones. The way back is a
 * fault (fault/migrate_to_ram.ts).
 * @kernel mm/migrate_device.c migrate_vma_setup(), migrate_vma_pages(), migrate_vma_finalize()
 * @fidelity reduced: one page; only anonymous pages that are mapped; the device's memory is a frame with a flag, and never full before the machine is
 * Next: fault/migrate_to_ram.ts
 */
import type { MmId, Pfn, Vpn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { folioTest, PG_device } from './folio.ts';
import { mappedPage } from './mapped_page.ts';
import { migrateFolio } from './migrate.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { folio_put } from './page_alloc.ts';

/** Is it memory that only a device can reach? */
export const folio_is_device_private = (cpu: Cpu, pfn: Pfn): boolean => folioTest(cpu, pfn, PG_device);

/** @locks none in or out. Takes mmap_lock for reading; may sleep. @returns 0, ENOENT, EFAULT, or as migrateFolio() */
export function migrateToDevice(cpu: Cpu, mm: MmId, vpn: Vpn): number {
  mmap_read_lock(cpu, mm);
  const { error, pfn } = mappedPage(cpu, mm, vpn);
  const result = error !== 0 ? error : migrateFolio(cpu, pfn, 'sync', 'device');
  if (error === 0) folio_put(cpu, pfn);
  mmap_read_unlock(cpu, mm);
  return result;
}

/**
 * Moving a page to another frame while programs use it. Its entries say meanwhile that it is on its way; who needs it waits for the folio lock,
 * which the mover holds from before the first entry goes until after the last one is back.
 *
 *   moving CPU                                faulting CPU
 *   1 locks the folio, takes the entries out
 *   2 somebody has a reference?  <- decides: then nothing moves, and the old entries come back
 *                                             3 finds a migration entry, waits for the lock of the old folio
 *   4 copies; the new folio takes the place of the old one
 *   5 entries that map the new folio
 *   6 unlocks both
 *                                             7 faults again: finds the new folio
 *
 * @kernel mm/migrate.c migrate_folio_unmap(), migrate_folio_move(), __migrate_folio(), folio_migrate_mapping(), folio_migrate_flags(); mm/migrate_device.c
 *   __migrate_device_pages()
 * @fidelity reduced: one folio at a time
 * Next: mm/try_to_migrate.ts, mm/migration_entry_wait.ts
 */

import type { AnonVmaId, Pfn } from '../base/brand.ts';
import { NO_ANON_VMA } from '../base/brand.ts';
import { EAGAIN, EBUSY, ENOMEM } from '../base/errno.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { count_vm_event, PGMIGRATE_FAIL, PGMIGRATE_SUCCESS } from '../trace/counters.ts';
import { AFTER_MIGRATION_UNMAP, at } from '../trace/points.ts';
import { FILE_DRIVER, fileKind, mappingEvictable, pagesLockWord, pagesRoot } from './address_space.ts';
import { put_anon_vma } from './anon_vma.ts';
import {
  folio_flags,
  folio_get,
  folio_index,
  folio_mapcount,
  folio_memcg,
  folio_ref_freeze,
  folio_ref_unfreeze,
  folioClear,
  folioFile,
  folioMapping,
  folioSet,
  folioTest,
  NO_FOLIO,
  PG_active,
  PG_device,
  PG_dirty,
  PG_hwpoison,
  PG_mlocked,
  PG_readahead,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_uptodate,
  PG_workingset,
  PG_writeback,
  readStamp,
  setFolioMapping,
  setFolioMemcg,
  writeStamp,
} from './folio.ts';
import { folio_add_lru } from './folio_add_lru.ts';
import { folio_isolate_lru, folio_putback_lru } from './folio_isolate_lru.ts';
import { __folio_set_locked, folio_lock, folio_trylock, folio_unlock } from './folio_lock.ts';
import { folio_wait_writeback } from './folio_writeback.ts';
import { chargeAnyway, lruOn, ROOT_MEMCG } from './memcg.ts';
import { alloc_page, folio_put } from './page_alloc.ts';
import { folio_get_anon_vma } from './rmap_places.ts';
import { folio_free_swap, swapCacheReplaceFolio } from './swap_state.ts';
import { remove_migration_ptes, try_to_migrate } from './try_to_migrate.ts';
import { xa_store } from './xarray.ts';

/** 'async' waits for nothing: for a caller that holds a fault lock. @kernel MIGRATE_ASYNC, MIGRATE_SYNC */
export type MigrateMode = 'async' | 'sync';
/** Where to. */
export type MigrateTarget = 'ram' | 'device';

/** What goes along. Whether the page is one entry's alone, its entries say. */
const MOVED_FLAGS: number = PG_uptodate | PG_dirty | PG_referenced | PG_active | PG_workingset | PG_readahead | PG_swapbacked | PG_mlocked;

/** The reference of whoever moves. */
const CALLERS = 1;

/**
 * Moves a page. The caller has a reference, which is to the old folio also afterwards, and gives it up.
 * @locks none in or out but, in 'async' mode, possibly the fault lock. May sleep
 * @returns 0; EAGAIN when somebody else uses the page just now; EBUSY when it cannot move; ENOMEM
 */
export function migrateFolio(cpu: Cpu, pfn: Pfn, mode: MigrateMode, target: MigrateTarget = 'ram'): number {
  if (mode === 'sync') folio_lock(cpu, pfn);
  else if (!folio_trylock(cpu, pfn)) return EAGAIN;
  const result = migrateLockedFolio(cpu, pfn, mode, target);
  folio_unlock(cpu, pfn);
  return result;
}

/** As migrateFolio(), for a caller that has locked the folio. @locks in and out: the folio lock */
export function migrateLockedFolio(cpu: Cpu, pfn: Pfn, mode: MigrateMode, target: MigrateTarget): number {
  const result = migrateIfMovable(cpu, pfn, mode, target);
  count_vm_event(cpu, result === 0 ? PGMIGRATE_SUCCESS : PGMIGRATE_FAIL);
  return result;
}

function migrateIfMovable(cpu: Cpu, pfn: Pfn, mode: MigrateMode, target: MigrateTarget): number {
  const mapping = folioMapping(cpu, pfn);
  const flags = folio_flags(cpu, pfn);
  if (mapping === 0 || (flags & PG_hwpoison) !== 0 || (flags & PG_uptodate) === 0) return EBUSY;
  const file = folioFile(mapping);
  // A device knows a driver's pages by their frames.
  if (file !== 0 && (target === 'device' || fileKind(cpu.memory, file) === FILE_DRIVER)) return EBUSY;
  if ((flags & PG_writeback) !== 0) {
    if (mode === 'async') return EAGAIN;
    folio_wait_writeback(cpu, pfn);
  }
  // Memory of a device cannot have a slot; if relatives' entries lead there, the page stays.
  if (target === 'device' && (flags & PG_swapcache) !== 0 && !folio_free_swap(cpu, pfn)) return EBUSY;
  const anonVma = folio_get_anon_vma(cpu, pfn);
  if ((mapping & 1) !== 0 && anonVma === NO_ANON_VMA) return EAGAIN; // Nobody has it mapped any more: it is about to be freed.
  const result = moveIsolated(cpu, pfn, mapping, mode, target);
  putAnonVma(cpu, anonVma);
  return result;
}

/**
 * Reclaim does not get at a page that is moved. One that is in a batch has a reference too many: who may wait empties the batches of all CPUs first.
 * @locks in and out: the lock of the old folio
 */
function moveIsolated(cpu: Cpu, src: Pfn, mapping: number, mode: MigrateMode, target: MigrateTarget): number {
  const file = folioFile(mapping);
  const onList = file !== 0 ? mappingEvictable(cpu.memory, file) : !folioTest(cpu, src, PG_device);
  if (onList && !folio_isolate_lru(cpu, src, mode === 'sync' ? 'all' : 'own')) return EAGAIN;
  const result = move(cpu, src, mapping, target);
  if (onList && result !== 0) folio_putback_lru(cpu, src); // If it moved, the new folio is on its way to a list in its place.
  return result;
}

function putAnonVma(cpu: Cpu, anonVma: AnonVmaId): void {
  if (anonVma !== NO_ANON_VMA) put_anon_vma(cpu, anonVma);
}

/** @locks in and out: the lock of the old folio; a reference to the anon_vma */
function move(cpu: Cpu, src: Pfn, mapping: number, target: MigrateTarget): number {
  const dst = alloc_page(cpu);
  if (dst === NO_FOLIO) return ENOMEM;
  chargeLike(cpu, dst, src);
  __folio_set_locked(cpu, dst);
  if (target === 'device') folioSet(cpu, dst, PG_device); // Alone: nobody knows the folio yet.
  const index = folio_index(cpu.memory, src);
  try_to_migrate(cpu, src, mapping, index);
  at(cpu, AFTER_MIGRATION_UNMAP);
  const moved = folio_mapcount(cpu, src) === 0 && move_to_new_folio(cpu, src, dst, mapping, index);
  remove_migration_ptes(cpu, src, moved ? dst : src, mapping, index);
  if (moved && target !== 'device') folio_add_lru(cpu, dst);
  folio_unlock(cpu, dst);
  folio_put(cpu, dst); // The entries, and the file, have references of their own; of a folio that was not used this was the only one.
  return moved ? 0 : EAGAIN;
}

/** The new folio is charged to whom the old one is. @kernel mem_cgroup_migrate() */
function chargeLike(cpu: Cpu, dst: Pfn, src: Pfn): void {
  const memcg = folio_memcg(cpu.memory, src);
  if (!lruOn(cpu.memory) || memcg === ROOT_MEMCG) return;
  chargeAnyway(cpu, memcg);
  setFolioMemcg(cpu.memory, dst, memcg);
}

/**
 * The new folio becomes what the old one was, if nobody else has a reference to that. No entry leads to the old one any more, and waiters take no
 * reference. Whoever comes by another way - the page cache, a look at the frame - finds no reference to take while it is frozen, and afterwards a
 * folio that is nobody's page.
 * @locks in: both folio locks. Never sleeps. @returns whether it did
 */
function move_to_new_folio(cpu: Cpu, src: Pfn, dst: Pfn, mapping: number, index: number): boolean {
  const m = cpu.memory;
  const file = folioFile(mapping);
  const swapped = folioTest(cpu, src, PG_swapcache);
  if (file !== 0) spin_lock(cpu, pagesLockWord(m, file));
  const frozen = folio_ref_freeze(cpu, src, file === 0 && !swapped ? CALLERS : CALLERS + 1);
  if (frozen) {
    become(cpu, src, dst, mapping, index);
    if (swapped) swapCacheReplaceFolio(cpu, src, dst);
    if (file !== 0) {
      folio_get(cpu, dst); // The page cache's.
      xa_store(cpu, pagesRoot(m, file), index, dst); // Cannot fail: the slot is there.
    }
    setFolioMapping(cpu, src, 0, 0);
    folio_ref_unfreeze(cpu, src, CALLERS);
  }
  if (file !== 0) spin_unlock(cpu, pagesLockWord(m, file));
  return frozen;
}

/** @kernel folio_migrate_copy(), folio_migrate_flags() */
function become(cpu: Cpu, src: Pfn, dst: Pfn, mapping: number, index: number): void {
  writeStamp(cpu, dst, readStamp(cpu, src));
  folioSet(cpu, dst, folio_flags(cpu, src) & MOVED_FLAGS); // Release: the contents. Pairs with: every test for PG_uptodate.
  setFolioMapping(cpu, dst, mapping, index);
  folioClear(cpu, src, MOVED_FLAGS & ~PG_uptodate);
}

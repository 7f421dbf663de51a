/**
 * Reclaim of chosen pages: those that madvise gives away, and everything that a machine can spare.
 * @kernel mm/vmscan.c reclaim_pages(); mm/memcontrol.c memory.reclaim
 * @fidelity reduced: pages are found by their frame number, not on lists by age
 * Next: syscalls/madvise_pageout.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { FILE_DISK, FILE_SHMEM, fileKind } from '../mm/address_space.ts';
import {
  folio_mapcount,
  folio_ref_count,
  folio_test_anon,
  folio_try_get,
  folioFile,
  folioMapping,
  folioTest,
  PG_device,
  PG_hwpoison,
  PG_swapcache,
} from '../mm/folio.ts';
import { lru_add_drain_all } from '../mm/folio_add_lru.ts';
import { folio_isolate_lru } from '../mm/folio_isolate_lru.ts';
import { folio_test_writeback, folio_wait_writeback } from '../mm/folio_writeback.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { shrink_folio_list } from './shrink_folio_list.ts';

/** Folios isolated at a time. @kernel SWAP_CLUSTER_MAX */
const BATCH = 32;
/** Enough for a page that is written, found dirty, and written again. */
const ROUNDS_MAX = 8;

/** Is it a page that reclaim can do something with? What can be read again from a disk, and what can go to swap: anonymous memory and shmem. The caller has a reference. */
function reclaimable(cpu: Cpu, pfn: Pfn): boolean {
  if (folioTest(cpu, pfn, PG_device | PG_hwpoison)) return false;
  if (folioTest(cpu, pfn, PG_swapcache)) return true;
  if (folio_test_anon(cpu, pfn)) return folio_mapcount(cpu, pfn) > 0;
  const file = folioFile(folioMapping(cpu, pfn));
  if (file === 0) return false;
  const kind = fileKind(cpu.memory, file);
  return kind === FILE_DISK || kind === FILE_SHMEM;
}

/**
 * Takes a folio that the caller cannot lose for reclaim, if it is of a kind that can be reclaimed. @returns whether it is isolated, with a reference
 */
export function isolateIfReclaimable(cpu: Cpu, pfn: Pfn): boolean {
  if (!folio_try_get(cpu, pfn)) return false;
  if (reclaimable(cpu, pfn) && folio_isolate_lru(cpu, pfn, 'own')) return true;
  folio_put(cpu, pfn);
  return false;
}

/** Reclaims isolated folios, in their order. @locks as shrink_folio_list(); mmap_lock for reading may be held. @returns how many were freed */
export const reclaim_pages = (cpu: Cpu, folios: readonly Pfn[]): number => shrink_folio_list(cpu, folios);

/**
 * Waits for what is being written, and frees all that can be freed: mapped anonymous pages go to swap, the swap cache and clean pages of files are
 * dropped. @locks none in, none out. May sleep. @returns how many pages were freed
 */
export function squeezeAll(cpu: Cpu): number {
  let freed = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    waitForWriteback(cpu);
    lru_add_drain_all(cpu); // A batch has a reference to a young page.
    const now = shrinkEverything(cpu);
    freed += now;
    if (now === 0 && round > 0) break;
  }
  waitForWriteback(cpu);
  return freed + shrinkEverything(cpu);
}

function shrinkEverything(cpu: Cpu): number {
  let freed = 0;
  let batch: Pfn[] = [];
  for (let pfn = 1; pfn < cpu.memory.size.frames; pfn++) {
    if (!isolateIfReclaimable(cpu, pfn as Pfn)) continue;
    batch.push(pfn as Pfn);
    if (batch.length < BATCH) continue;
    freed += shrink_folio_list(cpu, batch);
    batch = [];
  }
  return freed + shrink_folio_list(cpu, batch);
}

function waitForWriteback(cpu: Cpu): void {
  for (let id = 1; id < cpu.memory.size.frames; id++) {
    const pfn = id as Pfn;
    if (folio_ref_count(cpu, pfn) === 0 || !folio_test_writeback(cpu, pfn) || !folio_try_get(cpu, pfn)) continue;
    folio_wait_writeback(cpu, pfn);
    folio_put(cpu, pfn);
  }
}

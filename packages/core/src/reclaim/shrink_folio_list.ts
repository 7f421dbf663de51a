/**
 * What reclaim does with pages that it has isolated: gets them a slot in swap, unmaps them, writes them, and frees what is clean and wanted by nobody.
 * It takes no mmap_lock and no VMA lock, and waits for no folio lock.
 *
 * @kernel mm/vmscan.c shrink_folio_list(), pageout()
 * @fidelity reduced: one page per folio; no demotion; write-back alone writes dirty pages of files
 * Next: reclaim/remove_mapping.ts
 */
import type { Pfn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { swap_writeout } from '../io/swap_io.ts';
import { shmem_mapping } from '../mm/address_space.ts';
import {
  folio_mapcount,
  folio_maybe_dma_pinned,
  folio_ref_count,
  folio_test_anon,
  folioClear,
  folioFile,
  folioMapping,
  folioSet,
  folioTest,
  PG_active,
  PG_dirty,
  PG_isolated,
  PG_reclaim,
  PG_swapbacked,
  PG_swapcache,
  PG_writeback,
} from '../mm/folio.ts';
import { folio_putback_lru } from '../mm/folio_isolate_lru.ts';
import { folio_trylock, folio_unlock } from '../mm/folio_lock.ts';
import { folio_put } from '../mm/page_alloc.ts';
import { folio_alloc_swap } from '../mm/swap_state.ts';
import { wakeup_flusher_threads } from '../mm/wakeup_flusher_threads.ts';
import { count_vm_event, count_vm_events, PGACTIVATE, PGLAZYFREED, PGSCAN_DIRECT, PGSTEAL_DIRECT } from '../trace/counters.ts';
import { at, BEFORE_REFCOUNT_FREEZE } from '../trace/points.ts';
import { folio_check_references } from './folio_referenced.ts';
import { __remove_mapping } from './remove_mapping.ts';
import { shmem_writeout } from './shmem_writeout.ts';
import { try_to_unmap } from './try_to_unmap.ts';

/** Whether use since the last look keeps a page. */
export type ShrinkWay = 'asked' | 'by age';
type Fate = 'freed' | 'kept' | 'activate';

/** The cache's reference and that of whoever isolated the folio. */
const CACHE_AND_OURS = 2;

/** Ends an isolation, and drops its reference. */
export function putbackFolio(cpu: Cpu, pfn: Pfn): void {
  folio_putback_lru(cpu, pfn);
  folio_put(cpu, pfn);
}

/**
 * Reclaims isolated folios, in order; each is given back or freed. Pages that must be written are only started.
 * @locks in: none that a fault could wait for with a folio lock. May sleep: for requests of a device and rmap locks. @returns how many were freed
 * @param way `asked`: the caller wants these pages to go; they are counted. `by age`: only those that were not used since they were looked at last
 */
export function shrink_folio_list(cpu: Cpu, folios: readonly Pfn[], way: ShrinkWay = 'asked'): number {
  let freed = 0;
  for (const pfn of folios) {
    if (folio_trylock(cpu, pfn)) {
      const fate = shrinkLocked(cpu, pfn, way);
      if (fate === 'freed') {
        freed++;
        continue;
      }
      if (fate === 'activate' && way === 'by age') activate(cpu, pfn);
    }
    putbackFolio(cpu, pfn);
  }
  if (way === 'asked') {
    count_vm_events(cpu, PGSCAN_DIRECT, folios.length);
    count_vm_events(cpu, PGSTEAL_DIRECT, freed);
  }
  return freed;
}

/** The folio is isolated: it goes to the active list. */
function activate(cpu: Cpu, pfn: Pfn): void {
  folioSet(cpu, pfn, PG_active); // Alone: see above.
  count_vm_event(cpu, PGACTIVATE);
}

/** @locks in: the folio's. out: not */
function shrinkLocked(cpu: Cpu, pfn: Pfn, way: ShrinkWay): Fate {
  if (!canGo(cpu, pfn)) return keepLocked(cpu, pfn, 'activate');
  if (way === 'by age') {
    const references = folio_check_references(cpu, pfn);
    if (references !== 'reclaim') return keepLocked(cpu, pfn, references === 'keep' ? 'kept' : 'activate');
  }
  if (!hasPlace(cpu, pfn) || !unmapped(cpu, pfn) || folio_maybe_dma_pinned(cpu, pfn)) return keepLocked(cpu, pfn, 'activate');
  if (folioTest(cpu, pfn, PG_dirty)) {
    if (!folioTest(cpu, pfn, PG_swapcache) && !isShmem(cpu, pfn)) {
      // Dirty pages of files are the business of write-back; reclaim frees them when that is done.
      folioSet(cpu, pfn, PG_reclaim); // Alone: a hint.
      wakeup_flusher_threads(cpu);
      return keepLocked(cpu, pfn, 'activate');
    }
    if (!pageout(cpu, pfn)) return 'kept';
  }
  return free(cpu, pfn) ? 'freed' : keepLocked(cpu, pfn);
}

function keepLocked(cpu: Cpu, pfn: Pfn, fate: 'kept' | 'activate' = 'kept'): Fate {
  folio_unlock(cpu, pfn);
  return fate;
}

/** Is it a page that can go? */
function canGo(cpu: Cpu, pfn: Pfn): boolean {
  if (folioTest(cpu, pfn, PG_writeback)) {
    folioSet(cpu, pfn, PG_reclaim); // Alone: a hint for the end of the write.
    return false;
  }
  return true;
}

/** Does it have a place to go to? @locks in: the folio's */
function hasPlace(cpu: Cpu, pfn: Pfn): boolean {
  if (!folio_test_anon(cpu, pfn) || !folioTest(cpu, pfn, PG_swapbacked) || folioTest(cpu, pfn, PG_swapcache)) return true;
  if (folio_mapcount(cpu, pfn) === 0) return true; // Freed meanwhile: only our reference is left.
  return !folio_maybe_dma_pinned(cpu, pfn) && folio_alloc_swap(cpu, pfn);
}

function unmapped(cpu: Cpu, pfn: Pfn): boolean {
  if (folio_mapcount(cpu, pfn) > 0) try_to_unmap(cpu, pfn);
  return folio_mapcount(cpu, pfn) === 0;
}

/** @locks in: the folio's */
function isShmem(cpu: Cpu, pfn: Pfn): boolean {
  const file = folioFile(folioMapping(cpu, pfn));
  return file !== NO_MAPPING && shmem_mapping(cpu.memory, file);
}

/**
 * Writes a page of the swap cache, or of shmem, which enters it. @locks in: the folio's. out: the same when it returns true, nothing when it returns false.
 * @returns whether the page is clean, and nobody has been faster: it can be freed
 */
function pageout(cpu: Cpu, pfn: Pfn): boolean {
  if (folio_ref_count(cpu, pfn) !== CACHE_AND_OURS) {
    folio_unlock(cpu, pfn);
    return false;
  }
  folioClear(cpu, pfn, PG_dirty); // Before the write. Pairs with: whoever dirties it meanwhile.
  folioSet(cpu, pfn, PG_reclaim); // Alone: a hint.
  if (folioTest(cpu, pfn, PG_swapcache)) swap_writeout(cpu, pfn);
  else if (!shmem_writeout(cpu, pfn)) {
    folioClear(cpu, pfn, PG_reclaim);
    folio_unlock(cpu, pfn);
    return false;
  }
  if (folioTest(cpu, pfn, PG_writeback)) return false;
  folioClear(cpu, pfn, PG_reclaim);
  if (folioTest(cpu, pfn, PG_dirty) && folioTest(cpu, pfn, PG_swapcache)) return false;
  if (!folio_trylock(cpu, pfn)) return false;
  if (!folioTest(cpu, pfn, PG_swapcache)) return true; // Nobody needed its slot any more.
  if (!folioTest(cpu, pfn, PG_dirty) && !folioTest(cpu, pfn, PG_writeback)) return true;
  folio_unlock(cpu, pfn);
  return false;
}

/** Frees an unmapped folio if it is clean and nobody else has a reference. @locks in: the folio's. out: nothing when it returns true */
function free(cpu: Cpu, pfn: Pfn): boolean {
  const lazy = folio_test_anon(cpu, pfn) && !folioTest(cpu, pfn, PG_swapbacked);
  at(cpu, BEFORE_REFCOUNT_FREEZE);
  if (!__remove_mapping(cpu, pfn)) return false;
  if (lazy) count_vm_event(cpu, PGLAZYFREED);
  folioClear(cpu, pfn, PG_isolated | PG_dirty); // Alone: nobody else can reach it.
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
  return true;
}

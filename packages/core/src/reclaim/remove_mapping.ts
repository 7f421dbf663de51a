/**
 * The last step of reclaim: a page leaves its cache, if it is clean and nobody uses it.
 *
 *   reclaiming CPU (folio locked)             another CPU
 *   1 has unmapped the folio
 *                                             2 still has a reference, from the page cache or from GUP: writes, drops the reference
 *   3 freezes the references: only the cache's and ours
 *   4 dirty?  <- decides: asked before 3, the write of 2 would be lost
 *   5 takes it out of the cache
 *
 * @kernel mm/vmscan.c __remove_mapping()
 * @fidelity faithful
 * Next: reclaim/reclaim_pages.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { FILE_DISK, fileKind } from '../mm/address_space.ts';
import {
  folio_ref_freeze,
  folio_ref_unfreeze,
  folio_test_anon,
  folioFile,
  folioMapping,
  folioTest,
  PG_dirty,
  PG_swapbacked,
  PG_swapcache,
} from '../mm/folio.ts';
import { lruOn } from '../mm/memcg.ts';
import { CACHE_AND_OURS, frozenClean, removeFromFile } from '../mm/remove_mapping.ts';
import { __swap_cache_del_folio } from '../mm/swap_state.ts';
import { workingset_eviction } from '../mm/workingset.ts';

const OURS = 1;

/**
 * Takes an unmapped folio out of the swap cache or the page cache. One in neither (freed or truncated meanwhile, or lazily freed) only must be ours
 * alone. @locks in: the folio's, and one reference. Takes the lock of the file's tree. Never sleeps.
 * @returns whether the folio is this CPU's alone; false with nothing changed
 */
export function __remove_mapping(cpu: Cpu, pfn: Pfn): boolean {
  if (folioTest(cpu, pfn, PG_swapcache)) {
    if (!frozenClean(cpu, pfn, CACHE_AND_OURS)) return false;
    __swap_cache_del_folio(cpu, pfn, lruOn(cpu.memory) ? workingset_eviction(cpu, pfn) : 0);
    folio_ref_unfreeze(cpu, pfn, OURS);
    return true;
  }
  const mapping = folioMapping(cpu, pfn);
  if (mapping !== 0 && !folio_test_anon(cpu, pfn)) {
    const leavesShadow = lruOn(cpu.memory) && fileKind(cpu.memory, folioFile(mapping)) === FILE_DISK;
    return removeFromFile(cpu, pfn, () => (leavesShadow ? workingset_eviction(cpu, pfn) : 0));
  }
  if (!folio_ref_freeze(cpu, pfn, OURS)) return false;
  const lost = folioTest(cpu, pfn, PG_dirty) && !folioTest(cpu, pfn, PG_swapbacked) && folio_test_anon(cpu, pfn);
  folio_ref_unfreeze(cpu, pfn, OURS);
  return !lost;
}

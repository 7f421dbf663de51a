/**
 * Taking a page out of its file for good, although nothing is wrong with it: only if nobody else refers to it. The count of references is frozen at
 * the number that is expected; then nobody can look the page up, and whether it is dirty is final.
 *
 *   evicting CPU                              looking CPU
 *                                             1 finds the folio, takes a reference
 *   2 freeze: one reference more than expected  <- decides: the page stays
 *
 * @kernel mm/vmscan.c __remove_mapping(), remove_mapping()
 * @fidelity reduced: no shadow entries; pages of files only
 * Next: mm/truncate.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { at, BEFORE_REFCOUNT_FREEZE, BETWEEN_FREEZE_AND_DIRTY_TEST } from '../trace/points.ts';
import { pagesLockWord } from './address_space.ts';
import { __filemap_remove_folio } from './filemap.ts';
import { folio_ref_freeze, folio_ref_unfreeze, folioFile, folioMapping, folioTest, PG_dirty } from './folio.ts';

/** The cache's reference, and the caller's. */
const EXPECTED = 2;

/**
 * Removes a page that only its file and the caller refer to and that is clean. The caller's reference is the last one then.
 * @locks in: the folio lock. Never sleeps. @returns false, with nothing changed, when somebody else has a reference or the page is dirty
 */
export function remove_mapping(cpu: Cpu, pfn: Pfn): boolean {
  const lock = pagesLockWord(cpu.memory, folioFile(folioMapping(cpu, pfn)));
  at(cpu, BEFORE_REFCOUNT_FREEZE);
  spin_lock(cpu, lock);
  const frozen = folio_ref_freeze(cpu, pfn, EXPECTED);
  if (frozen) at(cpu, BETWEEN_FREEZE_AND_DIRTY_TEST);
  // Only now: who had a reference could have dirtied it, and nobody has one any more.
  const removed = frozen && !folioTest(cpu, pfn, PG_dirty);
  if (removed) __filemap_remove_folio(cpu, pfn);
  if (frozen) folio_ref_unfreeze(cpu, pfn, removed ? 1 : EXPECTED);
  spin_unlock(cpu, lock);
  return removed;
}

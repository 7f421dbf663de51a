/**
 * Taking a page out of its file for good, although nothing is wrong with it: only if nobody else refers to it. The count of references is frozen at
 * the number that is expected; then nobody can look the page up, and whether it is dirty is final.
 *
 *   evicting CPU                              looking CPU
 *                                             1 finds the folio, takes a reference
 *   2 freeze: one reference more than expected  <- decides: the page stays
 *
 * @kernel mm/vmscan.c __remove_mapping(), remove_mapping()
 * @fidelity reduced: pages of files only
 * Next: mm/truncate.ts, reclaim/remove_mapping.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { MUTANT_B52 } from '../mutants/ids.ts';
import { at, BEFORE_REFCOUNT_FREEZE, BETWEEN_FREEZE_AND_DIRTY_TEST } from '../trace/points.ts';
import { pagesLockWord } from './address_space.ts';
import { __filemap_remove_folio } from './filemap.ts';
import { folio_ref_freeze, folio_ref_unfreeze, folioFile, folioMapping, folioTest, PG_dirty } from './folio.ts';

/** The cache's reference, and the caller's. */
export const CACHE_AND_OURS = 2;
const OURS = 1;

/**
 * Removes a page that only its file and the caller refer to and that is clean. The caller's reference is the last one then.
 * @locks in: the folio lock. Never sleeps. @returns false, with nothing changed, when somebody else has a reference or the page is dirty
 */
export function remove_mapping(cpu: Cpu, pfn: Pfn): boolean {
  at(cpu, BEFORE_REFCOUNT_FREEZE);
  return removeFromFile(cpu, pfn, () => 0);
}

/** As remove_mapping(). @param shadow says what the file remembers of the page, once it is certain that it goes; 0 for nothing */
export function removeFromFile(cpu: Cpu, pfn: Pfn, shadow: () => number): boolean {
  const lock = pagesLockWord(cpu.memory, folioFile(folioMapping(cpu, pfn)));
  spin_lock(cpu, lock);
  const clean = frozenClean(cpu, pfn, CACHE_AND_OURS);
  if (clean) {
    __filemap_remove_folio(cpu, pfn, shadow());
    folio_ref_unfreeze(cpu, pfn, OURS);
  }
  spin_unlock(cpu, lock);
  return clean;
}

/** Freezes the references at `count`, then asks for dirt: in this order. @returns whether they are frozen */
export function frozenClean(cpu: Cpu, pfn: Pfn, count: number): boolean {
  if (cpu.mutant === MUTANT_B52) return cleanThenFrozen(cpu, pfn, count);
  if (!folio_ref_freeze(cpu, pfn, count)) return false;
  at(cpu, BETWEEN_FREEZE_AND_DIRTY_TEST);
  // Only now: who had a reference could have dirtied it, and nobody has one any more.
  if (!folioTest(cpu, pfn, PG_dirty)) return true;
  folio_ref_unfreeze(cpu, pfn, count);
  return false;
}

/** B52: asked for dirt while others still have references. */
function cleanThenFrozen(cpu: Cpu, pfn: Pfn, count: number): boolean {
  if (folioTest(cpu, pfn, PG_dirty)) return false;
  at(cpu, BETWEEN_FREEZE_AND_DIRTY_TEST);
  return folio_ref_freeze(cpu, pfn, count);
}

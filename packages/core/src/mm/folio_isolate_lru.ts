/**
 * Taking a page off its list for oneself: to reclaim it, to move it, because it is broken. Nobody else isolates it meanwhile. With reclaim by age off there
 * are no lists, and a flag says the same.
 *
 *   moving CPU                                reclaiming CPU
 *                                             1 takes the lock, finds the page at the end of a list: a reference
 *   2 clears PG_lru, waits for the lock
 *                                             3 PG_lru is clear  <- decides: leaves it where it is
 *   4 takes the page off its list
 *
 * @kernel mm/vmscan.c folio_isolate_lru(), folio_putback_lru()
 * @fidelity reduced: the caller's reference is the one of the isolation
 * Next: mm/migrate.ts, reclaim/shrink_folio_list.ts
 */
import type { Pfn } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { folio_memcg, folioClear, folioSet, folioTest, PG_active, PG_isolated, PG_lru } from './folio.ts';
import { lru_add_drain, lru_add_drain_all } from './folio_add_lru.ts';
import { folio_test_clear_lru, lruLockWord, lruvec_add_folio, lruvec_del_folio } from './lru.ts';
import { lruOn } from './memcg.ts';
import { workingset_age_nonresident } from './workingset.ts';

/** Whose batches are emptied when the page is on no list yet: nobody's, this CPU's, or everybody's. */
export type DrainFirst = 'none' | 'own' | 'all';

/** The caller has a reference, or a lock that keeps the folio. Never sleeps. @returns false when somebody else has isolated it, or it is on no list */
export function folio_isolate_lru(cpu: Cpu, pfn: Pfn, first: DrainFirst = 'none'): boolean {
  // Acquire. Pairs with: folio_putback_lru().
  if (!lruOn(cpu.memory)) return (folioSet(cpu, pfn, PG_isolated) & PG_isolated) === 0;
  if (first !== 'none' && !folioTest(cpu, pfn, PG_lru)) {
    if (first === 'own') lru_add_drain(cpu);
    else lru_add_drain_all(cpu);
  }
  if (!folio_test_clear_lru(cpu, pfn)) return false;
  const lock = lruLockWord(cpu.memory, folio_memcg(cpu.memory, pfn));
  spin_lock(cpu, lock);
  lruvec_del_folio(cpu, pfn);
  spin_unlock(cpu, lock);
  return true;
}

/** Ends an isolation: the folio is on the list of its flags again. The caller's reference stays his. Never sleeps. */
export function folio_putback_lru(cpu: Cpu, pfn: Pfn): void {
  if (!lruOn(cpu.memory)) {
    folioClear(cpu, pfn, PG_isolated); // Release. Pairs with: folio_isolate_lru().
    return;
  }
  const memcg = folio_memcg(cpu.memory, pfn);
  const lock = lruLockWord(cpu.memory, memcg);
  if (folioTest(cpu, pfn, PG_active)) workingset_age_nonresident(cpu, memcg);
  spin_lock(cpu, lock);
  lruvec_add_folio(cpu, pfn);
  spin_unlock(cpu, lock);
}

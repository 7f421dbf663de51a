/**
 * Dirty folios: contents that the device does not have yet. Who dirties one is counted, so that writers can be slowed down; who is about to write
 * one out makes it clean first, and takes the right to write from every entry that maps it, so that a later write is heard of.
 * @kernel mm/page-writeback.c folio_mark_dirty(), folio_account_dirtied(), folio_clear_dirty_for_io(), folio_redirty_for_writepage()
 * @fidelity reduced: no tags in the page cache; counts for the machine and for the file only
 * Next: io/writeback.ts
 */
import { invariant } from '../base/assert.ts';
import type { MappingId, Pfn } from '../base/brand.ts';
import { NO_MAPPING } from '../base/brand.ts';
import type { Cpu } from '../cpu.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_fetch_add, WRITE_ONCE } from '../memory/atomic.ts';
import { PC_NR_DIRTIED } from '../memory/percpu.ts';
import { count_vm_event, NR_DIRTIED } from '../trace/counters.ts';
import { dirtiedWhenWord, mapping_can_writeback, nrdirtyWord, pagesLockWord } from './address_space.ts';
import { folioClear, folioFile, folioMapping, folioSet, folioTest, PG_dirty } from './folio.ts';
import { folio_test_locked } from './folio_lock.ts';
import { page_mkclean } from './rmap_file.ts';
import { NR_FILE_DIRTY } from './vmstat.ts';

/**
 * The folio's contents have changed. Never sleeps.
 * @locks in: the folio lock, or the page-table lock of an entry that maps it: either keeps truncation from taking it away half-way
 * @returns whether it was clean
 */
export function folio_mark_dirty(cpu: Cpu, pfn: Pfn): boolean {
  if ((folioSet(cpu, pfn, PG_dirty) & PG_dirty) !== 0) return false;
  const file = folioFile(folioMapping(cpu, pfn));
  if (file !== NO_MAPPING && mapping_can_writeback(cpu.memory, file)) folio_account_dirtied(cpu, pfn, file);
  return true;
}

/** Counts a page that became dirty, unless it has left its file meanwhile. */
function folio_account_dirtied(cpu: Cpu, pfn: Pfn, file: MappingId): void {
  const { memory } = cpu;
  spin_lock(cpu, pagesLockWord(memory, file));
  const still = folioFile(folioMapping(cpu, pfn)) === file;
  if (still) addDirty(cpu, file, 1);
  spin_unlock(cpu, pagesLockWord(memory, file));
  if (!still) return;
  count_vm_event(cpu, NR_DIRTIED);
  const word = cpu.percpu + PC_NR_DIRTIED;
  cpu.words[word] = ((cpu.words[word] as number) + 1) | 0;
}

function addDirty(cpu: Cpu, file: MappingId, delta: number): void {
  atomic_fetch_add(cpu, NR_FILE_DIRTY, delta); // Alone: a count.
  const before = atomic_fetch_add(cpu, nrdirtyWord(cpu.memory, file), delta); // Alone: a count.
  if (before === 0) WRITE_ONCE(cpu, dirtiedWhenWord(cpu.memory, file), cpu.now() | 0); // Alone: a hint.
}

/**
 * The folio is about to be written out: it is clean from here on, and no entry may write to it without a fault.
 * @locks in: the folio lock. Takes i_mmap for reading; may sleep. @returns whether it was dirty, and so must be written
 */
export function folio_clear_dirty_for_io(cpu: Cpu, pfn: Pfn): boolean {
  invariant(folio_test_locked(cpu, pfn), 'I20', 'folio_clear_dirty_for_io: the folio is not locked');
  const file = folioFile(folioMapping(cpu, pfn));
  const counted = file !== NO_MAPPING && mapping_can_writeback(cpu.memory, file);
  // What a program wrote through an entry counts as dirty, even if the folio's bit was cleared between that write and now.
  if (counted && page_mkclean(cpu, pfn) > 0) folio_mark_dirty(cpu, pfn);
  if ((folioClear(cpu, pfn, PG_dirty) & PG_dirty) === 0) return false; // Pairs with: folio_mark_dirty().
  if (counted) addDirty(cpu, file, -1);
  return true;
}

/** It could not be written: dirty again, without counting as newly dirtied. @locks in: the folio lock. Never sleeps @kernel folio_redirty_for_writepage() */
export function folio_redirty(cpu: Cpu, pfn: Pfn): void {
  if ((folioSet(cpu, pfn, PG_dirty) & PG_dirty) !== 0) return;
  const file = folioFile(folioMapping(cpu, pfn));
  if (file !== NO_MAPPING && mapping_can_writeback(cpu.memory, file)) addDirty(cpu, file, 1);
}

/** Its contents are not wanted any more: it is truncated. @locks in: the folio lock; nothing maps it. Never sleeps @kernel __folio_cancel_dirty() */
export function folio_cancel_dirty(cpu: Cpu, pfn: Pfn): void {
  if (!folioTest(cpu, pfn, PG_dirty)) return;
  const file = folioFile(folioMapping(cpu, pfn));
  if ((folioClear(cpu, pfn, PG_dirty) & PG_dirty) === 0) return;
  if (file !== NO_MAPPING && mapping_can_writeback(cpu.memory, file)) addDirty(cpu, file, -1);
}

/**
 * Every mutant, and what of the catalogue of real bugs is not one. A tester that cannot show what it catches is faith: each mutant is planted
 * at the place of its fix, and one command runs them all (`faultlab mutants`).
 * Next: mutants/lifetime.ts
 */
import { UsageError } from '../base/errors.ts';
import { FAULT_PATH_MUTANTS } from './fault_path.ts';
import { FOLIO_MUTANTS } from './folio.ts';
import { LIFETIME_MUTANTS } from './lifetime.ts';
import { MMAP_LOCK_MUTANTS } from './mmap_lock.ts';
import type { Mutant, Unmodelled } from './mutant.ts';

export const MUTANTS: readonly Mutant[] = [...LIFETIME_MUTANTS, ...MMAP_LOCK_MUTANTS, ...FAULT_PATH_MUTANTS, ...FOLIO_MUTANTS];

/** @throws UsageError naming the known mutants */
export function mutantById(id: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.id.toLowerCase() === id.toLowerCase());
  if (found !== undefined) return found;
  const unmodelled = UNMODELLED.find((entry) => entry.id.toLowerCase() === id.toLowerCase());
  if (unmodelled !== undefined) throw new UsageError(`${unmodelled.id} is not a mutant of this model: ${unmodelled.reason}.`);
  throw new UsageError(`There is no mutant "${id}"; choose from ${MUTANTS.map((mutant) => mutant.id).join(', ')}.`);
}

/** Bugs of the catalogue without a switch, with the reason. */
export const UNMODELLED: readonly Unmodelled[] = [
  { id: 'B08', title: 'mbind changes a policy without the VMA write lock (CVE-2023-4611)', reason: 'areas have no memory policy here' },
  {
    id: 'B13',
    title: 'a tree cursor is used again after leaving RCU',
    reason: 'every walk starts at the root, so there is no cursor to keep',
  },
  { id: 'B17', title: 'UFFDIO_MOVE keeps one VMA lock while it waits for mmap_lock', reason: 'there is no UFFDIO_MOVE' },
  { id: 'B20b', title: 'losers of the claim of a swap entry spin', reason: 'it costs time and breaks no rule' },
  { id: 'B21', title: 'UFFDIO_MOVE against a lockless swap-cache lookup', reason: 'there is no UFFDIO_MOVE' },
  {
    id: 'B29',
    title: 'copy on write drops the old page before the entry is switched',
    reason: 'reuse of a page is decided by references, and the fault keeps one of its own until the entry has been switched',
  },
  {
    id: 'B30',
    title: 'an anon_vma is reused twice (CVE-2022-42703)',
    reason:
      'children and areas have counts of their own from the start; with one of the two tests left out more is shared, and no rule breaks',
  },
  {
    id: 'B31b',
    title: 'mremap looks at the PMD before it has the locks (CVE-2024-50066)',
    reason: 'entries move one by one, and page tables are never retracted below a mapping',
  },
  {
    id: 'B31c',
    title: 'mremap does not take the locks of the reverse map',
    reason:
      'truncation looks three times here, the last time under the lock of each page that is still mapped, and finds what one look has missed',
  },
  {
    id: 'B34a',
    title: 'a reader keeps its bias without an acquire',
    reason: 'every atomic operation of JavaScript is sequentially consistent',
  },
  { id: 'B35', title: 'RETRY_VMA without a bound', reason: 'it is the policy retry-vma itself' },
  { id: 'B37', title: 'fork waits for a VMA lock that is held over I/O', reason: 'it is the policy hold itself, and a matter of time' },
  {
    id: 'B43',
    title: 'a failed fork leaves half of the areas of the child as marks in its tree',
    reason: 'fork stores the areas of a child one by one, complete',
  },
  { id: 'B45', title: 'collapse without the VMA write lock', reason: 'there are no huge pages' },
];

/**
 * Mutants of folios, swap, reverse maps, reclaim, and of calls that lose the area under their feet.
 * Next: mutants/catalogue.ts
 */
import {
  MUTANT_B20,
  MUTANT_B31A,
  MUTANT_B32_DONTNEED,
  MUTANT_B32_REMOVE,
  MUTANT_B33A,
  MUTANT_B33B,
  MUTANT_B33C,
  MUTANT_B33D,
  MUTANT_B51,
  MUTANT_B52,
  MUTANT_B53,
} from './ids.ts';
import type { Mutant } from './mutant.ts';

export const FOLIO_MUTANTS: readonly Mutant[] = [
  {
    number: MUTANT_B20,
    id: 'B20',
    title: 'a fault reads from swap without claiming the entry',
    trigger:
      'While a fault reads by itself, past the swap cache, another brings the page in, it is written, and swapped out again to the same slot: the entry compares equal, and the old contents are mapped.',
    breaks: ['I25', 'I29', 'I17'],
    source: '13ddaf26be32, CVE-2024-26759',
    difficulty: 'hard',
    drawing: `
faulting CPU A                            faulting CPU B
1 entry e; reads e
                                          2 entry e; reads e, maps, frees e
                                          3 writes the page; it is swapped out to e
4 the entry is e: maps what it read`,
  },
  {
    number: MUTANT_B31A,
    id: 'B31a',
    title: 'mremap flushes after the page-table lock is gone',
    trigger:
      'The entry is at its new place and unlocked; it is zapped and its page reused before the translations of the old place are flushed.',
    breaks: ['I25', 'I16'],
    source: 'CVE-2018-18281, eb66ae030829',
    difficulty: 'hard',
    drawing: `
moving CPU            zapping CPU         writing CPU
1 moves the entry, unlocks
                      2 zaps the new place, frees the page
                                          3 writes through its old translation
4 flushes`,
  },
  {
    number: MUTANT_B32_DONTNEED,
    id: 'B32-dontneed',
    title: 'MADV_DONTNEED goes on with an area after its lock was dropped',
    trigger: 'The handler of a userfaultfd is told, without mmap_lock; afterwards the old area is used without a new look.',
    breaks: ['I10', 'I21', 'I06', 'I17', 'I22', 'I23'],
    source: '70ccb92fdd90 and successors',
    difficulty: 'hard',
    drawing: `
discarding CPU                            unmapping CPU
1 drops mmap_lock, tells the handler
                                          2 unmaps the area, its slot is reused
3 mmap_lock; zaps by the old area`,
  },
  {
    number: MUTANT_B32_REMOVE,
    id: 'B32-remove',
    title: 'MADV_REMOVE does not keep the file',
    trigger: 'The hole is punched without mmap_lock and without a reference to the file, whose last area may go meanwhile.',
    breaks: ['I17', 'Q07', 'assert', 'I16', 'I28'],
    source: '9ab4233dd08036, CVE-2012-3511',
    difficulty: 'hard',
    drawing: `
punching CPU                              unmapping CPU
1 drops mmap_lock
                                          2 unmaps the last area: the file ends
3 punches a hole into it`,
  },
  {
    number: MUTANT_B33A,
    id: 'B33a',
    title: 'a waiter tries before it leaves its mark',
    trigger: 'The lock is released between the failed try and the mark: the owner sees no waiter, and the waiter sleeps for ever.',
    breaks: ['L03'],
    source: 'folio_wait_bit_common(), its order',
    difficulty: 'medium',
    drawing: `
waiter                                    owner
1 tries: locked
                                          2 unlocks: no mark, wakes nobody
3 sets the mark, sleeps`,
  },
  {
    number: MUTANT_B33B,
    id: 'B33b',
    title: 'the mark of waiters is removed while one remains',
    trigger: 'A wake-up that serves the first waiter clears the mark although others are queued; the next unlock wakes nobody.',
    breaks: ['L03'],
    source: 'folio_wake_bit(), its condition',
    difficulty: 'medium',
    drawing: `
owner                 waiter 1            waiter 2
1 unlocks: wakes 1, clears the mark
                      2 locks, unlocks: no mark
                                          3 sleeps on`,
  },
  {
    number: MUTANT_B33C,
    id: 'B33c',
    title: 'a folio waiter may be overtaken without end',
    trigger: 'The waiter never asks to be handed the lock, so that others may take it first each time.',
    breaks: ['L05'],
    source: '5ef64cc8987a (page_lock_unfairness), 5.9',
    difficulty: 'medium',
    drawing: `
waiter                                    others
1 woken
                                          2 lock it first
3 sleeps again: 1`,
  },
  {
    number: MUTANT_B33D,
    id: 'B33d',
    title: 'a waiter leaves on a signal with the lock in its hand',
    trigger: 'The lock is handed over in the same instant in which a fatal signal comes; the waiter looks at the signal only.',
    breaks: ['I20', 'L03', 'Q03'],
    source: 'folio_wait_bit_common(), WQ_FLAG_DONE after a signal',
    difficulty: 'medium',
    drawing: `
waiter                                    owner
1 asks to be handed the lock
                                          2 unlocks: hands it over
3 signal: leaves
4 nobody will ever unlock`,
  },
  {
    number: MUTANT_B51,
    id: 'B51',
    title: 'a page becomes up to date after it was unlocked',
    trigger:
      'The end of a read unlocks first: a waiter finds the page unlocked and not up to date, and takes that for an error or reads it again.',
    breaks: ['I19', 'I18', 'outcome'],
    source: 'folio_end_read(), own analysis',
    difficulty: 'easy',
    drawing: `
device                                    waiter
1 unlocks
                                          2 locks: not up to date: SIGBUS, or reads again
3 up to date`,
  },
  {
    number: MUTANT_B52,
    id: 'B52',
    title: 'reclaim asks for dirt before it freezes the references',
    trigger:
      'A writer with a reference dirties the page after the question, and lets go before the freeze: the page is thrown away as clean.',
    breaks: ['I25', 'I16', 'Q13'],
    source: 'comment in __remove_mapping(), own analysis',
    difficulty: 'medium',
    drawing: `
reclaiming CPU                            writing CPU
                                          1 has a reference
2 dirty? no
                                          3 writes, dirty, lets go
4 freezes, throws the page away`,
  },
  {
    number: MUTANT_B53,
    id: 'B53',
    title: 'a fault lets go of the page before it has mapped it',
    trigger: 'The reference of the lookup is dropped before the entry is installed; reclaim or truncation frees the page in between.',
    breaks: ['I16', 'I17', 'I20', 'Q05'],
    source: 'own analysis',
    difficulty: 'medium',
    drawing: `
faulting CPU                              reclaiming CPU
1 finds the folio, lets go of it
                                          2 freezes the expected count, frees it
3 maps a free frame`,
  },
];

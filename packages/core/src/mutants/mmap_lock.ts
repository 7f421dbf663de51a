/**
 * Mutants of mmap_lock, of the rwsem below it, and of the order of locks.
 * Next: mutants/fault_path.ts
 */
import { MUTANT_B18, MUTANT_B19, MUTANT_B34B, MUTANT_B34C, MUTANT_B34D, MUTANT_B41, MUTANT_B42, MUTANT_B47, MUTANT_B49 } from './ids.ts';
import type { Mutant } from './mutant.ts';

export const MMAP_LOCK_MUTANTS: readonly Mutant[] = [
  {
    number: MUTANT_B18,
    id: 'B18',
    title: 'a fault waits for mmap_lock with its VMA lock',
    trigger:
      'A fault that needs an anon_vma takes mmap_lock for reading, and sleeps, while it holds the VMA lock that the writer waits for.',
    breaks: ['I11', 'L07'],
    source: 'why __vmf_anon_prepare() only tries, 6.6',
    difficulty: 'easy',
    drawing: `
faulting CPU                              writer
1 VMA read
                                          2 mmap write
3 waits for mmap_lock
                                          4 VMA write: waits for 1`,
  },
  {
    number: MUTANT_B19,
    id: 'B19',
    title: 'a stack grows into a hole that is being emptied',
    trigger:
      'munmap has taken its areas out of the tree and downgraded; the stack above grows into the hole under the read lock, and its new pages and tables go with the old ones.',
    breaks: ['I26', 'I23', 'I21', 'I24', 'I16', 'I28', 'I06', 'I15', 'I17', 'I25'],
    source: 'CVE-2021-20200 class, 246c320a8cfe',
    difficulty: 'hard',
    drawing: `
unmapping CPU                             growing CPU
1 takes [a, b) out of the tree, downgrades
                                          2 mmap read: grows the stack down into [a, b), maps a page
3 zaps [a, b), frees its tables: the new page too`,
  },
  {
    number: MUTANT_B34B,
    id: 'B34b',
    title: 'a waiter takes the handoff bit of another for its own',
    trigger:
      'The queue of the rwsem: the first waiter finds HANDOFF set and believes that the lock is handed to it, while readers still own it.',
    breaks: ['I01', 'I02'],
    source: 'rework of RWSEM_FLAG_HANDOFF, 5.16 and 6.2 [from memory]',
    difficulty: 'hard',
    drawing: `
owner                                     queued writer
                                          1 impatient: sets HANDOFF, sleeps
2 still reads
                                          3 looks again: HANDOFF is set, so the lock is mine
                                          4 two owners`,
  },
  {
    number: MUTANT_B34C,
    id: 'B34c',
    title: 'a waiter that is killed wakes nobody',
    trigger: 'The first of the queue leaves on a fatal signal; whoever is first now could have the lock, and nobody tells it.',
    breaks: ['L03', 'I01'],
    source: 'rwsem_del_wake_waiter(), 6.1 [from memory]',
    difficulty: 'hard',
    drawing: `
owner               first waiter          second waiter
1 unlocks, wakes the first
                    2 killed: leaves
                                          3 sleeps on, with the lock free`,
  },
  {
    number: MUTANT_B34D,
    id: 'B34d',
    title: 'a reader is told before it is counted',
    trigger: 'The waker clears the mark of the sleeping reader before it has added its bias: the reader unlocks what is not counted yet.',
    breaks: ['I02', 'I01'],
    source: 'order in rwsem_mark_wake() [from memory]',
    difficulty: 'hard',
    drawing: `
waker                                     sleeping reader
1 clears the reader's mark
                                          2 awake by chance: has the lock, reads, unlocks: count - bias
3 count + bias`,
  },
  {
    number: MUTANT_B41,
    id: 'B41',
    title: 'downgrade does not end the sequence',
    trigger: 'After a downgrade the sequence stays odd; the next writer makes it even, and write-locked is taken for unlocked.',
    breaks: ['I07'],
    source: 'mmap_write_downgrade(), own analysis',
    difficulty: 'medium',
    drawing: `
unmapping CPU                             next writer
1 downgrades: sequence stays odd
                                          2 mmap write: sequence becomes even
                                          3 stamps look unlocked: faults get in`,
  },
  {
    number: MUTANT_B42,
    id: 'B42',
    title: 'a write section begins although the lock was not taken',
    trigger: 'A killable wait for mmap_lock ends with a signal; the sequence is begun before the result is tested.',
    breaks: ['I07'],
    source: 'mmap_write_lock_killable(), own analysis',
    difficulty: 'medium',
    drawing: `
killed writer                             owner
                                          1 mmap write: sequence odd
2 EINTR; begins all the same: even
                                          3 stamps look unlocked`,
  },
  {
    number: MUTANT_B47,
    id: 'B47',
    title: 'a read trylock goes past waiting writers',
    trigger: 'The trylock looks at the writer bit only; overlapping readers keep a queued writer out for ever.',
    breaks: ['L04', 'L03'],
    source: 'RWSEM_READ_FAILED_MASK, own analysis',
    difficulty: 'medium',
    drawing: `
reader A              writer              reader B
1 owns it
                      2 queues
                                          3 trylock: yes
4 unlocks
                      5 sleeps on         6 still owns it; A comes back before it leaves`,
  },
  {
    number: MUTANT_B49,
    id: 'B49',
    title: 'a writer locks a page before the area',
    trigger: 'mprotect locks a folio and then waits for the readers of the area, one of whom waits for that folio.',
    breaks: ['I11', 'L07'],
    source: 'own analysis',
    difficulty: 'medium',
    drawing: `
writer                                    faulting CPU
                                          1 VMA read
2 locks the folio
                                          3 waits for the folio, holding the VMA lock
4 VMA write: waits for 1`,
  },
];

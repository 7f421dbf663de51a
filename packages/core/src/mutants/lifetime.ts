/**
 * Mutants of the life of areas, of their tree and of the per-VMA lock.
 * Next: mutants/mmap_lock.ts
 */
import {
  MUTANT_B01,
  MUTANT_B02,
  MUTANT_B03,
  MUTANT_B03B,
  MUTANT_B04,
  MUTANT_B05,
  MUTANT_B06,
  MUTANT_B07,
  MUTANT_B09,
  MUTANT_B10,
  MUTANT_B11,
  MUTANT_B12,
  MUTANT_B12B,
  MUTANT_B14,
  MUTANT_B14B,
  MUTANT_B15,
  MUTANT_B40,
  MUTANT_B44,
  MUTANT_B48,
} from './ids.ts';
import type { Mutant } from './mutant.ts';

export const LIFETIME_MUTANTS: readonly Mutant[] = [
  {
    number: MUTANT_B01,
    id: 'B01',
    title: 'a stack grows under mmap_lock for reading',
    trigger: 'Two readers of mmap_lock: one walks the tree of areas, the other grows a stack and replaces the node that the first is in.',
    breaks: ['I28', 'I21', 'I06', 'I24'],
    source: 'CVE-2023-3269 (StackRot), fixed in 6.5 and 6.4.1',
    difficulty: 'medium',
    drawing: `
faulting CPU                              growing CPU
1 mmap read: walks the tree
                                          2 mmap read: grows the stack, replaces the node, frees the old one
3 goes on in the freed node`,
  },
  {
    number: MUTANT_B02,
    id: 'B02',
    title: 'fork does not write-lock the areas that it copies',
    trigger:
      'fork write-protects and copies entries under mmap_lock alone, while a fault under the VMA lock makes one writable or finishes a copy.',
    breaks: ['I03', 'I06', 'I25'],
    source: 'fb49c455323f, 6.4.3',
    difficulty: 'medium',
    drawing: `
forking CPU                               faulting CPU of the parent
1 mmap write
                                          2 VMA read: sees the page as its own
3 write-protects the entry, copies it
                                          4 makes the entry writable: the child sees later writes`,
  },
  {
    number: MUTANT_B03,
    id: 'B03',
    title: 'a new area is finished after it was published',
    trigger: 'mmap stores the area in the tree, not stamped, and then sets its flags and its file; a fault finds it in between.',
    breaks: ['I21', 'I30', 'I05', 'I24', 'I25'],
    source: '33313a747e81, 6.5',
    difficulty: 'medium',
    drawing: `
mapping CPU                               faulting CPU
1 stores the area in the tree
                                          2 finds and read-locks it
                                          3 sees no flags and no file
4 sets flags and file`,
  },
  {
    number: MUTANT_B03B,
    id: 'B03b',
    title: 'the lock of the file before the lock of the area',
    trigger:
      'The first form of the fix of B03 took i_mmap, then waited for the readers of the area; a reader that sleeps on i_mmap never leaves.',
    breaks: ['I11', 'L07'],
    source: '1c7873e33645, 6.5',
    difficulty: 'medium',
    drawing: `
mapping CPU                               faulting CPU
                                          1 VMA read
2 i_mmap write
3 waits for the readers of the area
                                          4 reclaims, waits for i_mmap: neither goes on`,
  },
  {
    number: MUTANT_B04,
    id: 'B04',
    title: 'a stack grows without its VMA write lock',
    trigger:
      'Growth moves start and offset of the area under mmap_lock alone; a fault computes a page index from the old one and the new other.',
    breaks: ['I03', 'I06', 'I24'],
    source: 'c137381f71ae, 6.5',
    difficulty: 'medium',
    drawing: `
growing CPU                               faulting CPU
                                          1 VMA read on the stack
2 sets the new start
                                          3 index = page - start + offset, one new, one old
4 sets the new offset`,
  },
  {
    number: MUTANT_B05,
    id: 'B05',
    title: 'the anon_vma is tested before the VMA lock is taken',
    trigger:
      'The lookup sees an anon_vma; mremap with DONTUNMAP takes it away; the lookup locks the area and the fault maps a page without one.',
    breaks: ['I24'],
    source: '657b5146955e, 6.5',
    difficulty: 'hard',
    drawing: `
faulting CPU                              moving CPU
1 finds the area: it has an anon_vma
                                          2 mremap DONTUNMAP: moves the pages, unlinks the anon_vma
3 read-locks the area
4 maps an anonymous page that no reverse map finds`,
  },
  {
    number: MUTANT_B06,
    id: 'B06',
    title: 'the sequence is read before the reference is taken',
    trigger:
      'A reader compares the stamp with a sequence that it read before its increment, and so is let in while the area is write-locked.',
    breaks: ['I30', 'I03', 'I22'],
    source: 'missing acquire and release around mm_lock_seq, 6.4.8 (July 2023)',
    difficulty: 'hard',
    drawing: `
reader                                    writer
1 reads the sequence: s
                                          2 sequence s + 1; stamps the area with it
3 increments the count
4 stamp s + 1 is not s: lets itself in`,
  },
  {
    number: MUTANT_B07,
    id: 'B07',
    title: 'an area is split or merged by what was true before its write lock',
    trigger:
      'A split copies the anon_vma links before it write-locks the area; a fault gives it an anon_vma in between, and the other half has none.',
    breaks: ['I06', 'I24'],
    source: 'VMA write lock first in dup_anon_vma() and vma_merge(), 6.4.8',
    difficulty: 'medium',
    drawing: `
splitting CPU                             faulting CPU
1 copies the links: there are none
                                          2 VMA read: makes an anon_vma, maps a page of the upper half
3 VMA write: waits for 2
4 the upper half has a page and no anon_vma`,
  },
  {
    number: MUTANT_B09,
    id: 'B09',
    title: 'a walk that changes entries counts on mmap_lock alone',
    trigger: 'mprotect changes flags and entries without the VMA write lock; faults under the VMA lock run in the middle of it.',
    breaks: ['I03', 'I06', 'I25'],
    source: '49b0638502da, 6.5',
    difficulty: 'hard',
    drawing: `
protecting CPU                            faulting CPU
1 mmap write: sets the area's flags
                                          2 VMA read: took the old flags, installs a writable entry
3 changes the entries behind it
4 returns: the page is writable all the same`,
  },
  {
    number: MUTANT_B10,
    id: 'B10',
    title: 'a nested helper ends all VMA write locks',
    trigger: 'A helper of munmap ends the write section of its caller, who goes on changing areas that faults may lock again.',
    breaks: ['I07', 'I03', 'I06'],
    source: 'comment in mm_take_all_locks(); history of the first versions [from memory]',
    difficulty: 'medium',
    drawing: `
unmapping CPU                             faulting CPU
1 mmap write, VMA write
2 helper: ends the sequence
                                          3 VMA read on an area that is being changed
4 unlock ends it once more: it is odd, and nobody holds the lock`,
  },
  {
    number: MUTANT_B11,
    id: 'B11',
    title: 'the bounds of a detached area are read (rwsem design)',
    trigger:
      'The RCU head of a freed area lies over its bounds. A reader that has locked it looks at the bounds before it looks whether it is detached.',
    breaks: ['I23', 'I24', 'I25', 'I21'],
    source: 'type confusion in lock_vma_under_rcu(), harmless, August 2024',
    difficulty: 'medium',
    drawing: `
reader                                    unmapping CPU
1 finds the area
                                          2 detaches it, ends the section, frees it after a grace period
3 locks it, takes its bounds for bounds`,
  },
  {
    number: MUTANT_B12,
    id: 'B12',
    title: 'a foreign area is let go without keeping its address space',
    trigger:
      'A reader has counted itself on a slot that is another process’s by now; when it lets go, that process’s writer may end the address space, and then the reader wakes a waiter in it.',
    breaks: ['I28', 'I22'],
    source: '9bbffee67ffd, 6.17',
    difficulty: 'hard',
    drawing: `
reader of mm 1                            writer of mm 2
1 finds slot s
                                          2 s is freed and is mm 2's now
3 counts itself on s: foreign
                                          4 waits for the readers of s
5 lets go
                                          6 goes on, mm 2 ends
7 wakes the waiter of mm 2, which is gone`,
  },
  {
    number: MUTANT_B12B,
    id: 'B12b',
    title: 'the address space is asked for after the reference is gone',
    trigger: 'The first proposal for B12 read vm_mm after the decrement: the slot may be a third one’s then.',
    breaks: ['I28', 'I22', 'L03'],
    source: 'caught in review, 28 July 2025',
    difficulty: 'hard',
    drawing: `
reader                                    writer
                                          1 waits for the readers of s
2 lets go of s
                                          3 goes on, frees s; somebody else gets it
4 reads vm_mm of s: whose is it?
5 wakes a waiter there; its own may sleep on`,
  },
  {
    number: MUTANT_B14,
    id: 'B14',
    title: 'a reader does not ask whose area it has locked',
    trigger:
      'Slots are reused at once: the slot that was found is another process’s area when it is locked, and the fault is resolved there.',
    breaks: ['I21'],
    source: 'rule of SLAB_TYPESAFE_BY_RCU for areas, 6.15',
    difficulty: 'medium',
    drawing: `
reader of mm 1                            CPU in mm 2
1 finds slot s
                                          2 s is freed, and becomes an area of mm 2 at the same address
3 counts itself on s, does not compare vm_mm
4 maps its page in mm 2`,
  },
  {
    number: MUTANT_B14B,
    id: 'B14b',
    title: 'a copy of an area copies its count',
    trigger: 'Split and fork copy the record with its reference count, so that a half-built area looks attached.',
    breaks: ['I04'],
    source: '"make vma cache SLAB_TYPESAFE_BY_RCU", February 2025',
    difficulty: 'easy',
    drawing: `
splitting CPU                             late reader of the slot
1 copies the record, count 1
                                          2 counts itself: it looks attached
3 fills in the rest`,
  },
  {
    number: MUTANT_B15,
    id: 'B15',
    title: 'exit frees areas that are still attached',
    trigger: 'exit_mmap gives slots back with count 1; the next owner attaches by adding to it.',
    breaks: ['I04', 'Q04'],
    source: '"make vma cache SLAB_TYPESAFE_BY_RCU", February 2025',
    difficulty: 'easy',
    drawing: `
exiting CPU                               mapping CPU
1 frees the area, count 1
                                          2 gets the slot, attaches it: count 2
                                          3 VMA write waits for a reader that does not exist`,
  },
  {
    number: MUTANT_B40,
    id: 'B40',
    title: 'an early return keeps the VMA lock',
    trigger: 'A fault that the area forbids returns without vma_end_read; the next writer of the area waits for ever.',
    breaks: ['I09', 'Q02', 'L06'],
    source: 'of the kind of CVE-2026-46318 (hugetlbfs)',
    difficulty: 'easy',
    drawing: `
faulting CPU                              writer
1 VMA read; access denied: returns
                                          2 VMA write: waits for 1, for ever`,
  },
  {
    number: MUTANT_B44,
    id: 'B44',
    title: 'page tables go before the area is detached',
    trigger: 'munmap zaps the pages and frees the tables of areas that a fault still finds, and may be filling.',
    breaks: ['I26', 'I23', 'I24', 'I16', 'I17', 'I25'],
    source: 'order of vms_gather_munmap_vmas() and free_pgtables()',
    difficulty: 'medium',
    drawing: `
unmapping CPU                             faulting CPU
                                          1 VMA read: finds the table
2 zaps, frees the table
                                          3 writes an entry into the freed table
4 VMA write, detaches`,
  },
  {
    number: MUTANT_B48,
    id: 'B48',
    title: 'the limit of readers is tested before the count is raised',
    trigger: 'A reader looks at the count, and adds to it in a second step: meanwhile a writer has excluded readers.',
    breaks: ['I05', 'I04', 'I03'],
    source: 'why the limit is part of __refcount_inc_not_zero_limited(), 6.15',
    difficulty: 'hard',
    drawing: `
reader                                    writer
1 sees 1: below the limit
                                          2 adds the exclusion bit: drained
3 adds 1
                                          4 stamps, with a reader in`,
  },
];

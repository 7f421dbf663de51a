/**
 * Mutants of the fault path: results, flags, looks that are not made again.
 * Next: mutants/folio.ts
 */
import {
  MUTANT_B16,
  MUTANT_B22,
  MUTANT_B23A,
  MUTANT_B23B,
  MUTANT_B23C,
  MUTANT_B24,
  MUTANT_B25,
  MUTANT_B26,
  MUTANT_B27_MAPPING,
  MUTANT_B27_SIZE,
  MUTANT_B27_UNMAP,
  MUTANT_B28_ANON,
  MUTANT_B28_FILE,
  MUTANT_B28_NUMA,
  MUTANT_B28_SWAP,
  MUTANT_B28_WP,
  MUTANT_B36,
  MUTANT_B36B,
  MUTANT_B38,
  MUTANT_B39_ACCOUNT,
  MUTANT_B39_FILE,
  MUTANT_B46_NOWAIT,
  MUTANT_B46_TWICE,
  MUTANT_B50,
} from './ids.ts';
import type { Mutant } from './mutant.ts';

const LOST_RACE = `
faulting CPU                              another CPU, same page
1 reads the entry, makes a page
                                          2 changes the entry: maps, copies or zaps
3 page-table lock: does not compare, installs`;

export const FAULT_PATH_MUTANTS: readonly Mutant[] = [
  {
    number: MUTANT_B16,
    id: 'B16',
    title: 'a path goes on with an area whose lock the helper has dropped',
    trigger: 'Making the anon_vma fails under the VMA lock: the outer helper drops the lock, and its caller goes on using the area.',
    breaks: ['I10', 'I09'],
    source: '2a058ab3286d and 98b74bb4d7e9 (hugetlb), 6.13',
    difficulty: 'hard',
    drawing: `
faulting CPU                              writer
1 VMA read; no anon_vma
                                          2 mmap write
3 trylock fails: the helper drops the VMA lock
                                          4 unmaps the area, frees it
5 goes on with it`,
  },
  {
    number: MUTANT_B22,
    id: 'B22',
    title: 'a fault on a closed userfaultfd keeps its lock and says NOPAGE',
    trigger:
      'The context is released; the handler returns NOPAGE with mmap_lock held; a GUP loop faults again at once, and the releaser never gets mmap_lock.',
    breaks: ['L01', 'L04'],
    source: 'handle_userfault(), comment on released contexts',
    difficulty: 'medium',
    drawing: `
closing CPU                               GUP
                                          1 mmap read
2 marks the context as released
                                          3 fault: NOPAGE, lock held; again, and again
4 waits for mmap_lock`,
  },
  {
    number: MUTANT_B23A,
    id: 'B23a',
    title: 'an entry does not know COMPLETED',
    trigger: 'The handler has dropped mmap_lock and says COMPLETED; the entry tests for RETRY only and releases the lock again.',
    breaks: ['I09', 'assert'],
    source: 'every architecture was edited for it in 5.19; the build robot found sparc32',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 handler drops mmap_lock: COMPLETED
2 the entry releases mmap_lock`,
  },
  {
    number: MUTANT_B23B,
    id: 'B23b',
    title: 'the guest’s tables are linked without mmap_lock',
    trigger: 's390: after COMPLETED the step that links a guest to the host’s tables runs without the lock that keeps them.',
    breaks: ['I06', 'I09', 'assert'],
    source: 'first version of the COMPLETED series for s390, 2022',
    difficulty: 'easy',
    drawing: `
faulting CPU                              unmapping CPU
1 COMPLETED: mmap_lock is gone
                                          2 unmaps, frees the table
3 links the guest to the table`,
  },
  {
    number: MUTANT_B23C,
    id: 'B23c',
    title: 'GUP believes that it still holds mmap_lock after COMPLETED',
    trigger: 'faultin_page() does not clear `locked`, so the caller goes on in areas that nothing keeps, and unlocks a second time.',
    breaks: ['I09', 'I10', 'assert'],
    source: 'COMPLETED in mm/gup.c, 5.19',
    difficulty: 'easy',
    drawing: `
GUP                                       another CPU
1 fault drops mmap_lock: COMPLETED
                                          2 unmaps the area
3 goes on with the area, unlocks`,
  },
  {
    number: MUTANT_B24,
    id: 'B24',
    title: 'a major fault is counted as minor',
    trigger: 'The attempt under the VMA lock started I/O and says RETRY | MAJOR; the next one finds the page and is not TRIED.',
    breaks: ['I27'],
    source: '46e714c729c8; ARM forgot it until e870920bbe68',
    difficulty: 'medium',
    drawing: `
faulting CPU
1 VMA lock: reads the page, drops the lock: RETRY | MAJOR
2 mmap_lock: the page is there: minor`,
  },
  {
    number: MUTANT_B25,
    id: 'B25',
    title: 'faults are counted at every attempt',
    trigger: 'The counter goes up when an attempt begins, so that a fault with a retry counts twice.',
    breaks: ['Q08'],
    source: 'the accounting until 5.8, a bug for tools that divide by it',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 attempt: pgfault + 1; RETRY
2 attempt: pgfault + 1; done`,
  },
  {
    number: MUTANT_B26,
    id: 'B26',
    title: 'a killed task faults for ever in kernel mode',
    trigger:
      'copy_from_user faults, SIGKILL cuts the wait short, the entry returns as if all were done; the instruction faults again, and every wait is cut short.',
    breaks: ['L02', 'L01'],
    source: '26178ec11ef3 (x86, 2014); all architectures in 2023 [from memory]',
    difficulty: 'medium',
    drawing: `
task in copy_from_user                    killer
1 faults, waits for a page
                                          2 SIGKILL
3 RETRY; the entry returns
4 the same instruction faults: 3 again`,
  },
  {
    number: MUTANT_B27_MAPPING,
    id: 'B27-mapping',
    title: 'a folio is mapped that has left its file',
    trigger: 'A fault finds a folio and waits for its lock; truncation takes it out of the file meanwhile; the fault does not look again.',
    breaks: ['I16', 'I17', 'I25', 'I18', 'I20', 'assert'],
    source: 'filemap_fault(), the test of folio->mapping',
    difficulty: 'medium',
    drawing: `
faulting CPU                              truncating CPU
1 finds the folio
                                          2 locks it, takes it out of the file, unlocks
3 locks it, maps a page of no file`,
  },
  {
    number: MUTANT_B27_SIZE,
    id: 'B27-size',
    title: 'the size of the file is not looked at again',
    trigger: 'The file gets shorter while a fault waits for the folio; the fault maps a page beyond the end.',
    breaks: ['I16', 'I25'],
    source: 'filemap_fault(), the second test of the size',
    difficulty: 'medium',
    drawing: `
faulting CPU                              truncating CPU
1 size test passes
                                          2 new size; zaps the entries
3 locks the folio, maps it
                                          4 has zapped already`,
  },
  {
    number: MUTANT_B27_UNMAP,
    id: 'B27-unmap',
    title: 'truncation does not zap a second time',
    trigger:
      'A fault copies a page of a private mapping while truncation removes it; without the second pass the copy beyond the end survives.',
    breaks: ['I16', 'I25'],
    source: 'truncate_pagecache(), its second unmap_mapping_range()',
    difficulty: 'medium',
    drawing: `
faulting CPU                              truncating CPU
1 has the folio locked, copies it
                                          2 new size; zaps the entries
3 maps the copy
                                          4 removes the folio; the copy stays`,
  },
  {
    number: MUTANT_B28_ANON,
    id: 'B28-anon',
    title: 'the entry is not compared: first touch',
    trigger: 'Two faults on an empty entry both install a page.',
    breaks: ['I15', 'I17', 'I25', 'Q05'],
    source: 'do_anonymous_page(), pte_same()',
    difficulty: 'easy',
    drawing: LOST_RACE,
  },
  {
    number: MUTANT_B28_FILE,
    id: 'B28-file',
    title: 'the entry is not compared: page of a file',
    trigger: 'Two faults on an empty entry of a file’s area both install the page, or one revives what was zapped.',
    breaks: ['I15', 'I17', 'I25', 'Q05'],
    source: 'finish_fault(), pte_same()',
    difficulty: 'easy',
    drawing: LOST_RACE,
  },
  {
    number: MUTANT_B28_NUMA,
    id: 'B28-numa',
    title: 'the entry is not compared: NUMA hint',
    trigger: 'A hint fault rebuilds an entry that another CPU has resolved, zapped or moved.',
    breaks: ['I15', 'I17', 'I25', 'I16', 'I23', 'Q05'],
    source: 'do_numa_page(), pte_same()',
    difficulty: 'easy',
    drawing: LOST_RACE,
  },
  {
    number: MUTANT_B28_SWAP,
    id: 'B28-swap',
    title: 'the entry is not compared: page from swap',
    trigger: 'Two faults bring the same page from swap; both install it and both give the slot back.',
    breaks: ['I29', 'I15', 'I17', 'I25'],
    source: 'do_swap_page(), pte_same()',
    difficulty: 'easy',
    drawing: LOST_RACE,
  },
  {
    number: MUTANT_B28_WP,
    id: 'B28-wp',
    title: 'the entry is not compared: copy on write',
    trigger: 'Two writes to a shared page both copy it; the second install loses what was written to the first copy.',
    breaks: ['I25', 'I17', 'I15', 'Q05'],
    source: 'wp_page_copy(), pte_same()',
    difficulty: 'easy',
    drawing: LOST_RACE,
  },
  {
    number: MUTANT_B36,
    id: 'B36',
    title: 'every RETRY is tried again under the VMA lock',
    trigger: 'A page that no fault under the VMA lock can bring (in a device’s memory, say) is tried under it for ever.',
    breaks: ['L01'],
    source: 'discussion of VM_FAULT_RETRY_VMA, own analysis',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 VMA lock: needs mmap_lock: RETRY
2 tries the VMA lock again: 1`,
  },
  {
    number: MUTANT_B36B,
    id: 'B36b',
    title: 'RETRY_VMA looks like an error',
    trigger: 'A mask of error bits from before takes the new bit for one; the entry releases a lock that is gone.',
    breaks: ['I09', 'assert'],
    source: 'bit 0x800 in an old VM_FAULT_ERROR, own analysis',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 handler drops the VMA lock: RETRY | RETRY_VMA
2 the entry sees an error and releases it`,
  },
  {
    number: MUTANT_B38,
    id: 'B38',
    title: 'ALLOW_RETRY is cleared in the attempt’s own flags',
    trigger:
      'The swap path clears ALLOW_RETRY so as to wait with its lock, and never sets it again: later steps of the attempt see TRIED alone, and a write-protect fault for a userfaultfd becomes SIGBUS.',
    breaks: ['I12', 'I13', 'I25', 'outcome'],
    source: 'patches 4/5 and 5/5 of the second proposal as read, own analysis',
    difficulty: 'medium',
    drawing: `
faulting CPU
1 swap: clears ALLOW_RETRY, waits with its lock
2 maps the page; it is write-protected for a handler
3 handle_userfault: no ALLOW_RETRY: SIGBUS`,
  },
  {
    number: MUTANT_B39_ACCOUNT,
    id: 'B39-account',
    title: 'the area is asked for its flags after its lock was dropped',
    trigger: 'The account of the attempt reads vm_flags, also when the result says that the lock is gone.',
    breaks: ['I10'],
    source: 'comment at the end of handle_mm_fault()',
    difficulty: 'easy',
    drawing: `
faulting CPU                              unmapping CPU
1 drops the lock: RETRY
                                          2 frees the area
3 reads vm_flags`,
  },
  {
    number: MUTANT_B39_FILE,
    id: 'B39-file',
    title: 'the file is taken from the area after its lock was dropped',
    trigger: 'Before a wait for I/O the lock goes first and the reference to the file comes second.',
    breaks: ['I10'],
    source: 'maybe_unlock_mmap_for_io() takes the file first',
    difficulty: 'easy',
    drawing: `
faulting CPU                              unmapping CPU
1 drops the lock
                                          2 frees the area, closes the file
3 reads vm_file, takes a reference`,
  },
  {
    number: MUTANT_B46_NOWAIT,
    id: 'B46-nowait',
    title: 'an attempt that may not wait drops its lock',
    trigger: 'RETRY to an attempt with RETRY_NOWAIT means that the lock is still held; the handler has dropped it.',
    breaks: ['I09', 'assert'],
    source: 'FAULT_FLAG_RETRY_NOWAIT, own analysis',
    difficulty: 'easy',
    drawing: `
guest's fault
1 NOWAIT: the folio is locked: drops mmap_lock, RETRY
2 the entry releases mmap_lock`,
  },
  {
    number: MUTANT_B46_TWICE,
    id: 'B46-twice',
    title: 'RETRY and an error together',
    trigger: 'The handler has dropped the lock and adds an error bit; who asks for errors first releases the lock again.',
    breaks: ['I13', 'I09'],
    source: 'rule of VM_FAULT_RETRY, own analysis',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 handler drops the lock: RETRY | SIGBUS
2 the entry sees the error first and releases the lock`,
  },
  {
    number: MUTANT_B50,
    id: 'B50',
    title: 'the wait for a migration drops the lock and returns 0',
    trigger: 'A fault on a page that is being moved waits without its lock, and its result says that the lock is held.',
    breaks: ['I09', 'I10'],
    source: 'a patch that was taken out of the series of 2023, own analysis',
    difficulty: 'easy',
    drawing: `
faulting CPU
1 migration entry: drops the lock, waits
2 returns 0
3 the entry releases the lock`,
  },
];

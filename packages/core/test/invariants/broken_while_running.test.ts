/** Every invariant that is checked while the machine runs is broken here, by calling the model wrongly or behind its back, and caught at once. */
import type { MmId, Pfn, TableId, VmaId, Vpn } from '@faultlab/core/base/brand';
import { NO_ANON_VMA } from '@faultlab/core/base/brand';
import { release_fault_lock } from '@faultlab/core/fault/fault_lock';
import { handle_mm_fault } from '@faultlab/core/fault/handle_mm_fault';
import * as vmFault from '@faultlab/core/fault/vm_fault';
import { MODE_WRITE } from '@faultlab/core/locking/held_locks';
import { rcu_read_lock } from '@faultlab/core/locking/rcu';
import { prepare_to_rcuwait } from '@faultlab/core/locking/rcuwait';
import { spin_lock } from '@faultlab/core/locking/spinlock';
import { anon_vma_lock_write, put_anon_vma } from '@faultlab/core/mm/anon_vma';
import { folio_get, folioClear, folioRefcountWord, PG_uptodate } from '@faultlab/core/mm/folio';
import { rootNode } from '@faultlab/core/mm/maple_node';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { checkMmapOwners } from '@faultlab/core/mm/mm_checks';
import { mmapLockWord, mmgrab, mmLockSeqWord, mmTree, vmaWriterWaitWord } from '@faultlab/core/mm/mm_struct';
import {
  mmap_read_lock,
  mmap_read_trylock,
  mmap_read_unlock,
  mmap_write_lock,
  mmap_write_unlock,
  vma_end_write_all,
} from '@faultlab/core/mm/mmap_lock';
import { alloc_page, folio_put, freeLists } from '@faultlab/core/mm/page_alloc';
import {
  pte_alloc,
  ptep_get_and_clear,
  ptep_set_access_flags,
  ptep_set_wrprotect,
  pteWord,
  set_pte_at,
  tableLockWord,
} from '@faultlab/core/mm/page_table';
import { mk_pte, PTE_NONE, PTE_PRESENT, PTE_YOUNG } from '@faultlab/core/mm/pte';
import { folio_add_new_anon_rmap, folio_remove_rmap_pte } from '@faultlab/core/mm/rmap';
import {
  set_vma_anon_vma,
  vm_end,
  vm_pgoff,
  vma_anon_vma,
  vma_set_range,
  vmLockSeqWord,
  vmLockWord,
  vmRefcntWord,
} from '@faultlab/core/mm/vm_area_struct';
import { freeVmaSlot, vm_area_dup } from '@faultlab/core/mm/vma';
import { lock_vma_under_rcu, vma_end_read, vma_mark_attached, vma_mark_detached, vma_start_write } from '@faultlab/core/mm/vma_lock';
import { refcountEndRead } from '@faultlab/core/mm/vma_lock_refcount';
import { clearGatheredRange, nothingGathered } from '@faultlab/core/mm/vma_unmap';
import { policyByName } from '@faultlab/core/policy/policies';
import { ANON_VMA_CACHE, MM_CACHE, NODE_CACHE, TABLE_CACHE, VMA_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_alloc, kmem_cache_free } from '@faultlab/core/slab/kmem_cache';
import { mmput } from '@faultlab/core/syscalls/exit_mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { BEFORE_PTL, BEFORE_TLB_FLUSH } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { suite } from '@faultlab/test-support';
import { breaksIn } from './breaks.ts';
import { add, areaAt, entryAt, frameAt, put, READ_ONLY, RW, RWSEM_POLICY, SHARED_FILE, STACK, tableAt, type World } from './world.ts';

const test = suite('invariants/broken_while_running');

const breaks = breaksIn(test);
const home = (w: World): VmaId => areaAt(w, w.parent, RW);
/** A page of the first area that has no entry yet. */
const FRESH = (RW + 20) as Vpn;

/** During the next fault, just before it takes the page-table lock. */
function duringFault(w: World, act: () => void): void {
  at(w, BEFORE_PTL, act);
  userWrite(w.cpu, FRESH, 1);
}

/** Once, when the CPU passes that point. */
function at(w: World, wanted: number, act: () => void): void {
  w.onPoint = (point) => {
    if (point !== wanted) return;
    w.onPoint = () => {};
    act();
  };
}

const sequence = (w: World): number => w.m.words[mmLockSeqWord(w.m, w.parent)] as number;

// --- mmap_lock ------------------------------------------------------------------------------------------------------------------------
breaks('I01', 'a writer gets mmap_lock while another CPU reads', /another CPU owns it/, (w) => {
  mmap_read_lock(w.cpus[1], w.parent);
  w.m.words[mmapLockWord(w.m, w.parent)] = 0;
  mmap_write_lock(w.cpu, w.parent);
});
breaks('I01', 'a reader gets mmap_lock while another CPU writes', /another CPU owns it/, (w) => {
  mmap_write_lock(w.cpus[1], w.parent);
  w.m.words[mmapLockWord(w.m, w.parent)] = 0;
  mmap_read_lock(w.cpu, w.parent);
});
breaks('I02', 'the count of mmap_lock loses its reader', /the count shows no reader/, (w) => {
  mmap_read_lock(w.cpu, w.parent);
  w.m.words[mmapLockWord(w.m, w.parent)] = 0;
  mmap_read_unlock(w.cpu, w.parent);
});
breaks('I02', 'the count of mmap_lock loses its writer', /the count shows no writer/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  w.m.words[mmapLockWord(w.m, w.parent)] = 0;
  mmap_write_unlock(w.cpu, w.parent);
});
breaks('I02', 'mmap_lock is handed out without a word in the count', /does not show its new owner/, (w) =>
  checkMmapOwners(w.cpu, w.parent, MODE_WRITE),
);
breaks('I07', 'a write section ends twice', /no write section was open/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  vma_end_write_all(w.cpu, w.parent);
  vma_end_write_all(w.cpu, w.parent);
});
breaks('I07', 'a write section begins with an odd sequence', /was odd already/, (w) => {
  add(w, mmLockSeqWord(w.m, w.parent), 1);
  mmap_write_lock(w.cpu, w.parent);
});

// --- per-VMA locks ----------------------------------------------------------------------------------------------------------------------
breaks('I03', 'a writer overlooks a reader', /a CPU still holds a VMA read lock/, (w) => {
  const vma = lock_vma_under_rcu(w.cpus[1], w.parent, RW);
  w.m.words[vmRefcntWord(w.m, vma)] = 1;
  mmap_write_lock(w.cpu, w.parent);
  vma_start_write(w.cpu, vma);
});
breaks(
  'I03',
  'a writer overlooks a reader of the rwsem',
  /a CPU still holds a VMA read lock/,
  (w) => {
    const vma = lock_vma_under_rcu(w.cpus[1], w.parent, RW);
    w.m.words[vmLockWord(w.m, vma)] = 0;
    mmap_write_lock(w.cpu, w.parent);
    vma_start_write(w.cpu, vma);
  },
  RWSEM_POLICY,
);
/** With mmap_lock and the area write-locked. */
function writing(w: World): VmaId {
  mmap_write_lock(w.cpu, w.parent);
  vma_start_write(w.cpu, home(w));
  return home(w);
}
breaks('I04', 'an area is attached twice', /the count of a detached area is not zero/, (w) => vma_mark_attached(w.cpu, writing(w)));
breaks('I04', 'an area is detached twice', /the area was not attached/, (w) => {
  const vma = writing(w);
  vma_mark_detached(w.cpu, vma);
  vma_mark_detached(w.cpu, vma);
});
breaks('I04', 'a reader leaves twice', /the count was already zero/, (w) => {
  w.m.words[vmRefcntWord(w.m, home(w))] = 0;
  refcountEndRead(w.cpu, home(w));
});
breaks('I04', 'an attached area is freed', /the area is not detached/, (w) => freeVmaSlot(w.cpu, home(w)));
breaks('I04', 'a slot is handed out that somebody counts', /the count of a free area is not zero/, (w) => {
  const slot = kmem_cache_alloc(w.cpu, VMA_CACHE) as VmaId;
  kmem_cache_free(w.cpu, VMA_CACHE, slot);
  add(w, vmRefcntWord(w.m, slot), 1);
  vm_area_dup(w.cpu, w.parent, home(w));
});
breaks('I04', 'two writers drain one area', /a writer was draining the area already/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  add(w, vmRefcntWord(w.m, home(w)), 0x40000000);
  vma_start_write(w.cpu, home(w));
});
for (const policy of [undefined, RWSEM_POLICY]) {
  breaks(
    'I05',
    `an area is stamped with an even sequence${policy === undefined ? '' : ', with the rwsem'}`,
    /the sequence is even although/,
    (w) => {
      mmap_write_lock(w.cpu, w.parent);
      add(w, mmLockSeqWord(w.m, w.parent), 1);
      vma_start_write(w.cpu, home(w));
    },
    policy,
  );
}
breaks('I06', 'an area is write-locked without mmap_lock', /mmap_lock is not held for writing/, (w) => vma_start_write(w.cpu, home(w)));
breaks('I06', 'an area is write-locked under mmap_lock for reading', /mmap_lock is not held for writing/, (w) => {
  mmap_read_lock(w.cpu, w.parent);
  vma_start_write(w.cpu, home(w));
});
breaks('I06', 'an area is detached without its write lock', /without its VMA write lock/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  vma_mark_detached(w.cpu, home(w));
});
breaks('I06', 'a tree is changed under mmap_lock for reading', /mmap_lock is not held for writing/, (w) => {
  mmap_read_lock(w.cpu, w.parent);
  clearGatheredRange(w.cpu, nothingGathered(w.parent, RW, (RW + 1) as Vpn));
});
breaks('I06', 'a write section is ended by somebody else', /mmap_lock is not held for writing/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  vma_end_write_all(w.cpus[1], w.parent);
});
breaks('I08', 'two wait for readers at once', /somebody waits here already/, (w) => {
  prepare_to_rcuwait(w.cpu, vmaWriterWaitWord(w.m, w.parent));
  prepare_to_rcuwait(w.cpus[1], vmaWriterWaitWord(w.m, w.parent));
});

// --- the lock of an attempt ---------------------------------------------------------------------------------------------------------------
breaks('I09', 'a handler drops the lock and does not say so', /the VMA read lock of this attempt is not held/i, (w) =>
  duringFault(w, () => vma_end_read(w.cpu, home(w))),
);
breaks(
  'I09',
  'a fault ends with a lock that it took on the way',
  /a fault ended, but its lock was not released/,
  (w) => duringFault(w, () => void mmap_read_trylock(w.cpu, w.child)),
  policyByName('linux-6.0'),
);
breaks('I09', 'the lock of an attempt is dropped twice', /the fault lock is released twice/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  const vmf = new vmFault.VmFault(vma, RW, vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK, 0);
  release_fault_lock(w.cpu, vmf);
  release_fault_lock(w.cpu, vmf);
});
breaks('I21', 'an area shrinks under a fault', /does not contain its page/, (w) =>
  duringFault(w, () => vma_set_range(w.m, home(w), FRESH + 1, vm_end(w.m, home(w)), vm_pgoff(w.m, home(w)))),
);
breaks('I21', 'a fault is given an area of another page', /does not contain its page/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.parent, RW);
  handle_mm_fault(w.cpu, vma, READ_ONLY, vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK);
});
breaks('I21', 'a fault is given an area of another address space', /belongs to another address space/, (w) => {
  const vma = lock_vma_under_rcu(w.cpu, w.child, RW);
  handle_mm_fault(w.cpu, vma, RW, vmFault.FAULT_FLAG_DEFAULT | vmFault.FAULT_FLAG_USER | vmFault.FAULT_FLAG_VMA_LOCK);
});
breaks('I22', 'an area is reborn under a fault', /was freed while a fault held its lock/, (w) =>
  duringFault(w, () => {
    kmem_cache_free(w.cpu, VMA_CACHE, home(w));
    kmem_cache_alloc(w.cpu, VMA_CACHE);
  }),
);
for (const policy of [undefined, RWSEM_POLICY]) {
  breaks(
    'I30',
    `an area is write-locked under a fault${policy === undefined ? '' : ', with the rwsem'}`,
    /was write-locked while a fault held its lock/,
    (w) => duringFault(w, () => put(w, vmLockSeqWord(w.m, home(w)), sequence(w) + 1)),
    policy,
  );
}
breaks('I30', 'a fault runs although its area is write-locked', /of an area that is write-locked/, (w) =>
  duringFault(w, () => put(w, mmLockSeqWord(w.m, w.parent), w.m.words[vmLockSeqWord(w.m, home(w))] as number)),
);

// --- lock order -------------------------------------------------------------------------------------------------------------------------
breaks('I11', 'a writer holds a read lock on the area that it drains', /holds a VMA read lock on the same area/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  lock_vma_under_rcu(w.cpu, w.parent, RW);
  vma_start_write(w.cpu, home(w));
});
breaks('I11', 'a writer holds a read lock on another area', /this CPU holds a VMA read lock/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  lock_vma_under_rcu(w.cpu, w.parent, READ_ONLY);
  vma_start_write(w.cpu, home(w));
});
breaks('I11', 'mmap_lock is waited for under a VMA read lock', /mmap_lock is taken while vma is held/, (w) => {
  lock_vma_under_rcu(w.cpu, w.parent, RW);
  mmap_read_lock(w.cpu, w.parent);
});
breaks('I11', 'mmap_lock is waited for under an anon_vma lock', /mmap_lock is taken while anon_vma is held/, (w) => {
  anon_vma_lock_write(w.cpu, vma_anon_vma(w.m, home(w)));
  mmap_write_lock(w.cpu, w.parent);
});
breaks('I11', 'an area is drained under an anon_vma lock', /vma is taken while anon_vma is held/, (w) => {
  mmap_write_lock(w.cpu, w.parent);
  anon_vma_lock_write(w.cpu, vma_anon_vma(w.m, home(w)));
  vma_start_write(w.cpu, home(w));
});
breaks('I11', 'a sleeping lock is taken under a spinlock', /anon_vma is taken while a spinlock is held/, (w) => {
  spin_lock(w.cpu, tableLockWord(w.m, tableAt(w, w.parent, RW)));
  anon_vma_lock_write(w.cpu, vma_anon_vma(w.m, home(w)));
});
breaks('I11', 'a sleeping lock is taken in a read section', /mmap_lock is taken inside an RCU read section/, (w) => {
  rcu_read_lock(w.cpu);
  mmap_read_lock(w.cpu, w.parent);
});

// --- entries and frames -------------------------------------------------------------------------------------------------------------------
breaks('I15', 'an entry is set without its lock', /without its page-table lock/, (w) =>
  set_pte_at(w.cpu, entryAt(w, w.parent, FRESH), PTE_NONE),
);
breaks(
  'I15',
  'an entry is cleared without its lock',
  /without its page-table lock/,
  (w) => void ptep_get_and_clear(w.cpu, entryAt(w, w.parent, RW)),
);
breaks('I15', 'an entry is marked without its lock', /without its page-table lock/, (w) =>
  ptep_set_access_flags(w.cpu, entryAt(w, w.parent, RW), PTE_YOUNG),
);
breaks('I15', 'an entry is protected under the lock of another table', /without its page-table lock/, (w) => {
  spin_lock(w.cpu, tableLockWord(w.m, tableAt(w, w.parent, RW)));
  ptep_set_wrprotect(w.cpu, entryAt(w, w.parent, STACK));
});
breaks('I15', 'a present entry is overwritten', /that the hardware may be using/, (w) => {
  spin_lock(w.cpu, tableLockWord(w.m, tableAt(w, w.parent, RW)));
  set_pte_at(w.cpu, entryAt(w, w.parent, RW), mk_pte(frameAt(w, w.parent, RW + 1), PTE_PRESENT));
});
breaks('I16', 'a frame is freed that an entry leads to', /a PTE still maps the folio/, (w) => folio_put(w.cpu, frameAt(w, w.parent, RW)));
breaks('I16', 'a frame is freed that is in a page cache', /still in a page cache/, (w) => {
  const pfn = frameAt(w, w.parent, SHARED_FILE);
  folio_remove_rmap_pte(w.cpu, pfn, areaAt(w, w.parent, SHARED_FILE));
  w.m.words[folioRefcountWord(w.m, pfn)] = 1;
  folio_put(w.cpu, pfn);
});
breaks('I17', 'a mapping is taken away twice', /no PTE maps the folio/, (w) => {
  const pfn = alloc_page(w.cpu);
  folio_remove_rmap_pte(w.cpu, pfn, home(w));
});
breaks('I17', 'a free frame is referred to', /the folio had no reference left/, (w) => folio_get(w.cpu, freeLists(w.m)[0]?.head as Pfn));
breaks('I17', 'a frame is given back twice', /the folio had no reference left/, (w) => {
  const pfn = alloc_page(w.cpu);
  folio_put(w.cpu, pfn);
  folio_put(w.cpu, pfn);
});
breaks('I18', 'a page of a file is mapped before it is read', /not up to date/, (w) => {
  // The page has no entry in the child: it was touched by the parent only, and shared pages are not copied at a fork.
  folioClear(w.cpu, frameAt(w, w.parent, SHARED_FILE), PG_uptodate);
  userRead(w.cpus[1], SHARED_FILE);
});
breaks('I23', 'a page is left where munmap has been', /a page is still mapped in an area that was unmapped/, (w) => {
  const entry = entryAt(w, w.parent, FRESH);
  at(w, BEFORE_TLB_FLUSH, () => put(w, entry, mk_pte(frameAt(w, w.parent, STACK), PTE_PRESENT)));
  sys_munmap(w.cpu, RW, 32);
});
breaks('I24', 'an anonymous page gets no way back', /in an area without an anon_vma/, (w) => {
  set_vma_anon_vma(w.m, home(w), NO_ANON_VMA);
  folio_add_new_anon_rmap(w.cpu, alloc_page(w.cpu), home(w), FRESH);
});
breaks('I24', 'an anon_vma is dropped although areas link to it', /an area still links to the anon_vma/, (w) => {
  const id = vma_anon_vma(w.m, home(w));
  for (let references = 0; references < 50; references++) put_anon_vma(w.cpu, id);
});
breaks('I24', 'an anon_vma is dropped twice', /the count was already zero/, (w) => {
  const id = kmem_cache_alloc(w.cpu, ANON_VMA_CACHE);
  put_anon_vma(w.cpu, id as never);
});
breaks('I26', 'an entry is written into a freed table', /written into a freed table/, (w) => {
  const table = tableAt(w, w.parent, RW);
  spin_lock(w.cpu, tableLockWord(w.m, table));
  kmem_cache_free(w.cpu, TABLE_CACHE, table);
  set_pte_at(w.cpu, pteWord(w.m, table, FRESH), PTE_NONE);
});
breaks('I26', 'a table is handed out that somebody wrote to', /a free page table is not empty/, (w) => {
  const table = kmem_cache_alloc(w.cpu, TABLE_CACHE) as TableId;
  kmem_cache_free(w.cpu, TABLE_CACHE, table);
  w.m.words[pteWord(w.m, table, 3 as Vpn)] = 5;
  pte_alloc(w.cpu, w.parent, 0x100000 as Vpn);
});

// --- life -------------------------------------------------------------------------------------------------------------------------------
breaks('I28', 'mmap_lock is taken of an address space that is gone', /of an address space that is gone/, (w) => {
  kmem_cache_free(w.cpu, MM_CACHE, w.child);
  mmap_read_lock(w.cpu, w.child);
});
breaks('I28', 'the last user of an address space leaves twice', /had no user left/, (w) => {
  const unused = kmem_cache_alloc(w.cpu, MM_CACHE) as MmId;
  mmput(w.cpu, unused);
});
breaks('I28', 'an address space is pinned that is gone', /the address space is gone/, (w) => {
  const unused = kmem_cache_alloc(w.cpu, MM_CACHE) as MmId;
  mmgrab(w.cpu, unused);
});
breaks('I28', 'a tree walk meets a freed node', /a tree walk arrived at a freed node/, (w) => {
  const tree = mmTree(w.m, w.parent);
  kmem_cache_free(w.cpu, NODE_CACHE, rootNode(w.m.words[tree] as number));
  mas_walk(w.cpu, tree, RW);
});

test.run();

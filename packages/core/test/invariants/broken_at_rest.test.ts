/** Every invariant that the sweep looks at is broken here, by changing words of a machine at rest, and seen. */
import type { CpuId, Pfn, VmaId, Vpn } from '@faultlab/core/base/brand';
import { rcu_read_lock } from '@faultlab/core/locking/rcu';
import { spin_lock } from '@faultlab/core/locking/spinlock';
import { H_ZONE } from '@faultlab/core/memory/header';
import {
  LOCK_STAT_WORDS,
  PC_LOCK_STAT,
  PC_MIN_FLT,
  PC_TASK_STATE,
  PC_TLB_ACCESS,
  PC_WAIT_KIND,
  percpuBase,
  WAIT_MUTEX,
} from '@faultlab/core/memory/percpu';
import { anon_vma_lock_read, get_anon_vma } from '@faultlab/core/mm/anon_vma';
import {
  folio_get,
  folio_index,
  folioClear,
  folioMapcountWord,
  folioMapping,
  folioSet,
  folioStampWord,
  PG_locked,
  PG_uptodate,
  setFolioMapping,
  ZERO_PFN,
} from '@faultlab/core/mm/folio';
import {
  anonRssWord,
  map_count,
  mm_pgd,
  mmapLockWord,
  mmgrab,
  mmLockSeqWord,
  mmPgtablesWord,
  mmUsersWord,
  set_map_count,
  set_total_vm,
  total_vm,
  vmaWriterWaitWord,
} from '@faultlab/core/mm/mm_struct';
import { mmap_read_lock } from '@faultlab/core/mm/mmap_lock';
import { alloc_page, freeLists } from '@faultlab/core/mm/page_alloc';
import { entryWord, LEVEL_PMD, LEVEL_PTE, tableLockWord } from '@faultlab/core/mm/page_table';
import { mk_pte, PTE_DIRTY, PTE_PRESENT, PTE_PROTNONE, PTE_RW, PTE_SPECIAL } from '@faultlab/core/mm/pte';
import {
  set_vm_mm,
  set_vma_anon_vma,
  set_vma_avc_list,
  set_vma_detached,
  vm_end,
  vm_pgoff,
  vm_start,
  vma_anon_vma,
  vma_set_range,
  vmLockSeqWord,
  vmLockWord,
  vmRefcntWord,
} from '@faultlab/core/mm/vm_area_struct';
import { unlink_file_vma } from '@faultlab/core/mm/vma_file';
import { VMA_LOCK_OFFSET } from '@faultlab/core/mm/vma_lock_refcount';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { ANON_VMA_CACHE, AVC_CACHE, MM_CACHE, NODE_CACHE, TABLE_CACHE, VMA_CACHE, XA_NODE_CACHE } from '@faultlab/core/slab/caches';
import { cacheSlots, isAllocated, kmem_cache_alloc, kmem_cache_free } from '@faultlab/core/slab/kmem_cache';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { count_vm_event, FAULTS_USER, MMAP_READ_ACQUIRED, PGALLOC, PGFAULT, VMA_LOCK_SUCCESS } from '@faultlab/core/trace/counters';
import { userWrite } from '@faultlab/core/user/access';
import { suite } from '@faultlab/test-support';
import {
  add,
  areaAt,
  assertSound,
  CLOSED,
  entryAt,
  found,
  frameAt,
  PRIVATE_FILE,
  READ_ONLY,
  RW,
  RWSEM_POLICY,
  SHARED_FILE,
  tableAt,
  type World,
  world,
} from './world.ts';

const test = suite('invariants/broken_at_rest');

/** A sound machine, then the harm: the sweep reports the id, with this in the message. */
function breaks(id: string, what: string, message: RegExp, harm: (machine: World) => void, policy?: FaultPolicy): void {
  test(`${id}: ${what}`, () => {
    const machine = world(policy);
    assertSound(machine.cpu);
    harm(machine);
    const lines = found(machine.cpu);
    if (!lines.some((line) => line.startsWith(`${id} `) && message.test(line))) {
      throw new Error(`no ${id} with ${message} among:\n  ${lines.join('\n  ')}`);
    }
  });
}

const words = (machine: World): Int32Array => machine.m.words;
const home = (machine: World): VmaId => areaAt(machine, machine.parent, RW);
const percpu = (machine: World, id: number): number => percpuBase(machine.m.percpuAt, id as CpuId);

// --- mmap_lock ------------------------------------------------------------------------------------------------------------------------
breaks('Q01', 'mmap_lock is left read-locked', /mm 1: mmap_lock has the count 256/, ({ cpu, parent }) => mmap_read_lock(cpu, parent));
breaks('Q10', 'a CPU still lists a lock', /CPU 0 holds a lock of class mmap_lock/, ({ cpu, parent }) => mmap_read_lock(cpu, parent));
breaks('Q01', 'somebody is in the queue of mmap_lock', /mmap_lock has CPU 1 in its queue/, (w) =>
  add(w, mmapLockWord(w.m, w.parent) + 3, 2),
);
breaks('I02', 'mmap_lock counts a reader that nobody is', /counts 1 readers and 0 writers, but 0 and 0 hold it/, (w) =>
  add(w, mmapLockWord(w.m, w.parent), 256),
);
breaks('I02', 'mmap_lock forgets its writer', /counts 0 readers and 0 writers, but 1 and 0 hold it/, (w) => {
  mmap_read_lock(w.cpu, w.parent);
  add(w, mmapLockWord(w.m, w.parent), -256);
});
breaks('I07', 'the sequence is odd', /mm 2: the write sequence is \d+, as if a write section were open/, (w) =>
  add(w, mmLockSeqWord(w.m, w.child), 1),
);

// --- areas and their locks --------------------------------------------------------------------------------------------------------------
breaks('I04', 'an area has a writer flag', /has the count 1073741825: a writer's flag/, (w) =>
  add(w, vmRefcntWord(w.m, home(w)), VMA_LOCK_OFFSET),
);
breaks('I04', 'an area has a negative count', /has the count -3/, (w) => add(w, vmRefcntWord(w.m, home(w)), -4));
breaks('I04', 'a free area has a count', /area 600 is free, but its count is 1/, (w) => add(w, vmRefcntWord(w.m, 600 as VmaId), 1));
breaks('Q02', 'a reader of an area was forgotten', /has the count 2 instead of 1/, (w) => add(w, vmRefcntWord(w.m, home(w)), 1));
breaks(
  'Q02',
  'a reader of the rwsem of an area was forgotten',
  /its rwsem has the count 256/,
  (w) => add(w, vmLockWord(w.m, home(w)), 256),
  RWSEM_POLICY,
);
breaks(
  'Q02',
  'an area has a count although the design has none',
  /has the count 1 instead of 0/,
  (w) => add(w, vmRefcntWord(w.m, home(w)), 1),
  policyByName('linux-5.7'),
);
breaks('I05', 'a stamp is even', /has the stamp 2 at sequence/, (w) => {
  words(w)[vmLockSeqWord(w.m, home(w))] = 2;
});
breaks('I05', 'a stamp is of the future', /has the stamp \d+ at sequence/, (w) => {
  words(w)[vmLockSeqWord(w.m, home(w))] = (words(w)[mmLockSeqWord(w.m, w.parent)] as number) + 1;
});
breaks('I21', 'the bounds of an area differ from the tree', /has the bounds 4096 to 4129 in its record/, (w) =>
  vma_set_range(w.m, home(w), vm_start(w.m, home(w)), vm_end(w.m, home(w)) + 1, vm_pgoff(w.m, home(w))),
);
breaks('I21', 'an area says that it belongs to somebody else', /says that it belongs to mm 2/, (w) => set_vm_mm(w.m, home(w), w.child));
breaks('I21', 'an area in the tree is marked detached', /marked detached/, (w) => set_vma_detached(w.m, home(w), true));
breaks('I21', 'an area in the tree is free', /is in the tree, but its slot is free/, (w) => kmem_cache_free(w.cpu, VMA_CACHE, home(w)));
breaks('I21', 'a tree node is free', /mm \d+: node \d+ .* it is free/, (w) => {
  for (let node = 1; node <= cacheSlots(w.m, NODE_CACHE); node++) {
    if (isAllocated(w.m, NODE_CACHE, node)) return kmem_cache_free(w.cpu, NODE_CACHE, node);
  }
});
breaks('I21', 'an area too many is counted', /map_count is \d+, but the areas make it/, (w) =>
  set_map_count(w.m, w.parent, map_count(w.m, w.parent) + 1),
);
breaks('I21', 'a page too few is counted', /total_vm is \d+, but the areas make it/, (w) =>
  set_total_vm(w.m, w.parent, total_vm(w.m, w.parent) - 1),
);

// --- page tables and entries ------------------------------------------------------------------------------------------------------------
breaks('I23', 'an entry lies where nothing is mapped', /of page 4160 lies in no area/, (w) => {
  words(w)[entryAt(w, w.parent, RW + 64)] = mk_pte(ZERO_PFN, PTE_PRESENT | PTE_SPECIAL);
});
breaks('I23', 'a read-only page is writable', /does not go with the protection r--p/, (w) =>
  add(w, entryAt(w, w.parent, READ_ONLY), PTE_RW),
);
breaks('I23', 'a closed page is open', /does not go with the protection ---p/, (w) =>
  add(w, entryAt(w, w.parent, CLOSED), PTE_PRESENT - PTE_PROTNONE),
);
breaks('I23', 'an entry is neither empty nor present', /is neither empty nor present/, (w) => {
  words(w)[entryAt(w, w.parent, RW)] = PTE_DIRTY;
});
breaks('I16', 'an entry leads to a free frame', /leads to frame \d+, which is free/, (w) => {
  const free = freeLists(w.m)[0]?.head as Pfn;
  words(w)[entryAt(w, w.parent, RW)] = mk_pte(free, PTE_PRESENT);
});
breaks('I16', 'an entry leads to another page of its file', /should map page 0 of file 1, but frame \d+ is page 1 of file 1/, (w) => {
  words(w)[entryAt(w, w.parent, SHARED_FILE)] = mk_pte(frameAt(w, w.parent, SHARED_FILE + 1), PTE_PRESENT);
});
breaks('I16', 'a page of the cache says that it is another', /file 1: page 0 is frame \d+, which says that it is page 50/, (w) => {
  const pfn = frameAt(w, w.parent, SHARED_FILE);
  setFolioMapping(w.cpu, pfn, folioMapping(w.cpu, pfn), 50);
});
breaks(
  'I18',
  'a mapped page is not up to date',
  /maps frame \d+, which is not up to date/,
  (w) => void folioClear(w.cpu, frameAt(w, w.parent, PRIVATE_FILE + 1), PG_uptodate),
);
breaks('I26', 'a free page table has an entry', /page table 200 is free, but its entry 7 is 99/, (w) => {
  words(w)[entryWord(w.m, 200 as never, 7 as Vpn, LEVEL_PTE)] = 99;
});
breaks('I26', 'a page table in use is free', /is in use, but its slot is free/, (w) =>
  kmem_cache_free(w.cpu, TABLE_CACHE, tableAt(w, w.parent, RW)),
);
breaks('I26', 'two entries lead to one page table', /has two entries that lead to it/, (w) => {
  const pmd = upper(w, LEVEL_PMD);
  words(w)[entryWord(w.m, pmd, (RW + 0x8000) as Vpn, LEVEL_PMD)] = tableAt(w, w.parent, RW);
});

/** The table of a level that covers the first area. */
function upper(w: World, level: number): never {
  let table = mm_pgd(w.m, w.parent);
  for (let at = 3; at > level; at--) table = words(w)[entryWord(w.m, table, RW, at)] as never;
  return table as never;
}

// --- frames -----------------------------------------------------------------------------------------------------------------------------
breaks('I17', 'a frame counts a mapping too many', /counts 2 mappings, but 1 entries lead to it/, (w) =>
  add(w, folioMapcountWord(w.m, frameAt(w, w.parent, RW)), 1),
);
breaks('I17', 'an entry is gone but not its mapping', /counts 1 mappings, but 0 entries lead to it/, (w) => {
  words(w)[entryAt(w, w.parent, RW)] = 0;
});
breaks('I17', 'an address space counts a page too many', /it counts \d+ anonymous pages, but maps/, (w) =>
  add(w, anonRssWord(w.m, w.parent), 1),
);
breaks('Q05', 'a reference was not given back', /has 2 references, but 1 users/, (w) => folio_get(w.cpu, frameAt(w, w.parent, RW)));
breaks('Q05', 'a frame has leaked', /has 1 references, but 0 users/, (w) => void alloc_page(w.cpu));
breaks('Q05', 'the zone counts a free frame too many', /the free list of the zone counts \d+ frames, but has/, (w) =>
  add(w, H_ZONE + 2, 1),
);
breaks('Q05', 'a frame in use is in the free list', /is in use and in a free list/, (w) => {
  words(w)[H_ZONE + 1] = frameAt(w, w.parent, RW);
});
breaks(
  'Q03',
  'a page is locked',
  /frame \d+ is locked or under writeback/,
  (w) => void folioSet(w.cpu, frameAt(w, w.parent, RW), PG_locked),
);
breaks('I25', 'somebody wrote to the zero page', /the zero page holds 5/, (w) => {
  words(w)[folioStampWord(w.m, ZERO_PFN)] = 5;
});
breaks('I25', 'the zero page is writable', /makes the zero page writable/, (w) => add(w, entryAt(w, w.parent, RW + 8), PTE_RW));
breaks(
  'I25',
  'a process can write to a page that its child still sees',
  /is private and writable, but frame \d+ is not this page's alone/,
  (w) => {
    add(w, entryAt(w, w.parent, RW + 6), PTE_RW);
  },
);

// --- reverse map ------------------------------------------------------------------------------------------------------------------------
breaks('I24', 'an area has forgotten its anon_vma', /is anonymous, but area \d+ has no anon_vma/, (w) =>
  set_vma_anon_vma(w.m, home(w), 0 as never),
);
breaks('I24', 'an area has lost its links', /has 0 links, but is on the lists of \d+ anon_vmas/, (w) =>
  set_vma_avc_list(w.m, home(w), 0 as never, 0 as never),
);
breaks('I24', 'a folio says that it is another page', /a reverse walk from anon_vma \d+ does not find it/, (w) => {
  const pfn = frameAt(w, w.parent, RW);
  setFolioMapping(w.cpu, pfn, folioMapping(w.cpu, pfn), folio_index(w.m, pfn) + 1);
});
breaks('Q07', 'an anon_vma has a reference too many', /anon_vma \d+: refcount is \d+, but there are/, (w) =>
  get_anon_vma(w.cpu, vma_anon_vma(w.m, home(w))),
);
breaks('Q07', 'an area that maps a file is not in its list', /file 1: \d+ areas map it, but its list has/, (w) =>
  unlink_file_vma(w.cpu, areaAt(w, w.parent, SHARED_FILE)),
);

// --- translations -----------------------------------------------------------------------------------------------------------------------
breaks(
  'I25',
  'a CPU can still write to a page that is read-only now',
  /CPU 0: the translation \d+ of page 4096 of mm 1 is still cached, but the entry is/,
  (w) => {
    userWrite(w.cpu, RW, 1);
    add(w, entryAt(w, w.parent, RW), -PTE_RW);
  },
);
breaks('I25', 'a CPU can still use a frame that another has replaced', /is still cached, but the entry is/, (w) => {
  userWrite(w.cpu, RW, 1);
  words(w)[entryAt(w, w.parent, RW)] = mk_pte(frameAt(w, w.parent, RW + 1), PTE_PRESENT | PTE_RW | PTE_DIRTY);
});
breaks('I25', 'a CPU has translations of an address space that is gone', /is still cached, but the address space is gone/, (w) => {
  userWrite(w.cpu, RW, 1);
  kmem_cache_free(w.cpu, MM_CACHE, w.parent);
});

// --- slots ------------------------------------------------------------------------------------------------------------------------------
for (const [name, cache] of Object.entries({
  vm_area_struct: VMA_CACHE,
  page_table: TABLE_CACHE,
  anon_vma: ANON_VMA_CACHE,
  anon_vma_chain: AVC_CACHE,
  radix_tree_node: XA_NODE_CACHE,
})) {
  breaks(
    'Q04',
    `a slot of ${name} has leaked`,
    new RegExp(`${name} \\d+ is in use, but nothing leads to it`),
    (w) => void kmem_cache_alloc(w.cpu, cache),
  );
}
breaks(
  'Q04',
  'a tree node has leaked',
  /maple_node: \d+ slots are in use, but the trees have/,
  (w) => void kmem_cache_alloc(w.cpu, NODE_CACHE),
);
breaks('Q04', 'an address space counts a page table too many', /it counts \d+ page tables, but has/, (w) =>
  add(w, mmPgtablesWord(w.m, w.parent), 1),
);
breaks('Q04', 'an address space is pinned', /mm 1 is in use with 1 users and 2 pins/, (w) => mmgrab(w.cpu, w.parent));
breaks('Q04', 'an address space has no users', /mm 1 is in use with 0 users/, (w) => add(w, mmUsersWord(w.m, w.parent), -1));

// --- sleepers, spinlocks, grace periods ---------------------------------------------------------------------------------------------------
breaks('Q03', 'somebody waits for readers', /mm 1: CPU 1 is noted as waiting for the readers of an area/, (w) =>
  add(w, vmaWriterWaitWord(w.m, w.parent), 2),
);
breaks('Q03', 'a CPU waits', /CPU 2 waits for: mutex/, (w) => add(w, percpu(w, 2) + PC_WAIT_KIND, WAIT_MUTEX));
breaks('Q03', 'a task sleeps', /CPU 2 is in task state 2/, (w) => add(w, percpu(w, 2) + PC_TASK_STATE, 2));
breaks('Q03', 'an access is not finished', /CPU 2 is in the middle of an access/, (w) => add(w, percpu(w, 2) + PC_TLB_ACCESS, 1));
breaks('Q03', 'a waiter is left in a queue for folios', /a queue of waiters for folios is not empty: its word \d+ holds 2/, (w) =>
  add(w, w.m.folioWaitsAt + 1, 2),
);
breaks('Q10', 'a page-table lock is held', /the spinlock of page table \d+ holds 1/, (w) =>
  spin_lock(w.cpu, tableLockWord(w.m, tableAt(w, w.parent, RW))),
);
breaks('Q10', 'a pool is locked', /the spinlock of the pool mm_struct holds 7/, (w) => add(w, w.m.cachesAt, 7));
breaks('Q10', 'an anon_vma is locked', /the rwsem of anon_vma \d+ has the count 256/, (w) =>
  anon_vma_lock_read(w.cpu, vma_anon_vma(w.m, home(w))),
);
breaks('Q09', 'a tree node waits for a grace period', /CPU 0 has \d+ callbacks that wait/, (w) => void sys_munmap(w.cpu, RW + 4, 1));
breaks('Q09', 'a read section is open', /CPU 0 is inside 1 RCU read sections/, (w) => rcu_read_lock(w.cpu));

// --- counters ---------------------------------------------------------------------------------------------------------------------------
breaks('I27', 'a task was charged with a fault too many', /maj_flt \+ min_flt is \d+, but faults finished is/, (w) =>
  add(w, w.cpu.percpu + PC_MIN_FLT, 1),
);
breaks('Q08', 'a success of the VMA lock too many', /success \+ retry is \d+, but attempts is/, (w) =>
  count_vm_event(w.cpu, VMA_LOCK_SUCCESS),
);
breaks(
  'Q08',
  'a VMA lock without VMA locks',
  /success \+ retry is 1, but attempts is 0/,
  (w) => count_vm_event(w.cpu, VMA_LOCK_SUCCESS),
  policyByName('linux-5.4'),
);
breaks('Q08', 'a fault counted twice', /pgfault is \d+, but finished \+ errors is/, (w) => count_vm_event(w.cpu, PGFAULT));
breaks(
  'Q08',
  'an attempt counted twice',
  /pgfault is \d+, but finished \+ errors \+ retries is/,
  (w) => count_vm_event(w.cpu, PGFAULT),
  policyByName('linux-5.7'),
);
breaks('Q08', 'a frame counted twice', /pgalloc - pgfree is \d+, but frames in use is/, (w) => count_vm_event(w.cpu, PGALLOC));
breaks('Q10', 'a read lock too many', /mmap_lock read, taken \+ downgraded is \d+, but released is/, (w) =>
  count_vm_event(w.cpu, MMAP_READ_ACQUIRED),
);
breaks(
  'Q10',
  'lock_stat that was not counted',
  /mmap_lock read in lock_stat is \d+, but taken/,
  (w) => void words(w).fill(0, w.cpu.percpu + PC_LOCK_STAT, w.cpu.percpu + PC_LOCK_STAT + LOCK_STAT_WORDS),
);
breaks('Q11', 'a fault that never ended', /user \+ kernel \+ GUP faults is \d+, but finished/, (w) => count_vm_event(w.cpu, FAULTS_USER));

test('many breaks of one kind are cut short', () => {
  const machine = world();
  for (let page = 0; page < 40; page++)
    words(machine)[entryAt(machine, machine.parent, RW + 64 + page)] = mk_pte(ZERO_PFN, PTE_PRESENT | PTE_SPECIAL);
  const lines = found(machine.cpu).filter((line) => line.startsWith('I23 '));
  if (lines.length !== 21 || lines[20] !== 'I23 and more of the same kind')
    throw new Error(`${lines.length} lines, the last is ${lines.at(-1)}`);
});

test.run();

/**
 * Rows 9 and 11 to 23 of the table of results: reads of a file on a disk, and private writes to it. First and later attempts, under the VMA lock and
 * under mmap_lock, with both designs of the VMA lock; which bits come back and which lock is held then. One thread: the disk serves, and another CPU
 * acts, when the CPU would sleep or passes a named point.
 */
import type { MappingId, Pfn, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import * as fault from '@faultlab/core/fault/vm_fault';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { holdsClass } from '@faultlab/core/locking/held_locks';
import { LOCK_MMAP, LOCK_VMA } from '@faultlab/core/locking/lock_class';
import { PC_WAIT_KIND, WAIT_RECLAIM } from '@faultlab/core/memory/percpu';
import { i_size, nrpages, raPagesWord, VM_READAHEAD_PAGES } from '@faultlab/core/mm/address_space';
import { filemap_remove_folio } from '@faultlab/core/mm/filemap';
import { filemapGetOrCreate } from '@faultlab/core/mm/filemap_create';
import { folio_test_anon, folioSet, PG_readahead, PG_uptodate } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { pte_pfn, pte_write } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { vm_flags, vm_flags_reset } from '@faultlab/core/mm/vm_area_struct';
import { VM_LOCKED } from '@faultlab/core/mm/vm_flags';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { type CounterName, readCounters } from '@faultlab/core/trace/counters';
import { BEFORE_ANON_VMA_TRYLOCK, BEFORE_FOLIO_LOCK } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { AtPoint, cachedFlags, cachedFolio, DISK, type OnDisk, pteOf, withDisk } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { BASE, RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_file');

const X = BASE;
const PAGES = 4;
/** The page that faults. */
const PAGE = 1;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const { VM_FAULT_LOCKED: LOCKED, VM_FAULT_MAJOR: MAJOR, VM_FAULT_NOPAGE: NOPAGE, VM_FAULT_RETRY: RETRY } = fault;
const { FAULT_FLAG_TRIED: TRIED, FAULT_FLAG_WRITE: WRITE, FAULT_FLAG_RETRY_NOWAIT: NOWAIT } = fault;

interface Row {
  readonly name: string;
  /** Nothing of the file is in the page cache. */
  readonly cold?: boolean;
  /** Map around, as far as it goes. */
  readonly around?: boolean;
  readonly flags?: number;
  readonly before?: (one: OnDisk) => (() => void) | undefined;
  /** Done by another CPU at that point of the attempt. */
  readonly at?: number;
  readonly meanwhile?: (other: Cpu, one: OnDisk) => void;
  /** Done when the CPU goes to sleep; the disk serves when it is not given. */
  readonly asleep?: (one: OnDisk) => boolean;
  readonly locks?: readonly AttemptLock[];
  readonly first: Attempt;
  readonly later: Attempt;
  /** Events of the attempt: the first one, then the later one. */
  readonly counted?: Partial<Record<CounterName, readonly [number, number]>>;
  readonly after?: (one: OnDisk, result: Attempt) => void;
}

const folio = ({ cpu, file }: OnDisk): Pfn => cachedFolio(cpu, file, PAGE);
/** Another CPU has the page. */
const lockedByOther = (one: OnDisk): undefined => {
  folio_lock(one.other(), folio(one));
};
const unlockedByOther = (one: OnDisk): boolean => {
  folio_unlock(one.other(), folio(one));
  return true;
};
const killed = (one: OnDisk): boolean => {
  send_signal(one.other(), one.cpu.id, SIGKILL);
  return true;
};
const unlockAfterwards = (one: OnDisk): (() => void) => {
  lockedByOther(one);
  return () => folio_unlock(one.other(), folio(one));
};
const atRandom = ({ cpu }: OnDisk): undefined => {
  assert.is(sys_madvise(cpu, X, PAGES, mman.MADV_RANDOM), 0);
};
/** The page leaves its file, as reclaim would take it. */
const leaves = (cpu: Cpu, file: MappingId): void => {
  const pfn = cachedFolio(cpu, file, PAGE);
  folio_lock(cpu, pfn);
  filemap_remove_folio(cpu, pfn);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
};
const badBlock = (one: OnDisk): (() => void) => {
  setBadBlocks(one.cpu.memory, DISK, one.file, PAGE, 1);
  return () => setBadBlocks(one.cpu.memory, DISK, one.file, PAGE, 0);
};
const isCopied = ({ cpu }: OnDisk): void => {
  const pfn = pte_pfn(pteOf(cpu, X + PAGE) as never);
  assert.ok(folio_test_anon(cpu, pfn) && pte_write(pteOf(cpu, X + PAGE) as never), 'a copy of its own');
};
const cacheIs = (first: number, later: number): NonNullable<Row['after']> => {
  return ({ cpu, file }, { result }) => assert.is(nrpages(cpu.memory, file), (result & RETRY) !== 0 ? first : later);
};

const ROWS: readonly Row[] = [
  {
    name: 'row 9: what is resident is mapped around, and the file is not asked',
    around: true,
    first: held(NOPAGE),
    later: held(NOPAGE),
    counted: { filemap_faults: [0, 0], fault_around_mapped: [PAGES, PAGES], pgmajfault: [0, 0] },
    after: ({ cpu }) => {
      for (let page = 0; page < PAGES; page++) assert.is.not(pteOf(cpu, X + page), 0);
    },
  },
  {
    name: 'row 11: the page is there and free',
    first: held(LOCKED),
    later: held(LOCKED),
    counted: { filemap_faults: [1, 1], lock_dropped_for_io: [0, 0] },
  },
  {
    name: 'row 12: the page carries the mark of the readahead',
    around: true,
    before: (one) => {
      folioSet(one.cpu, folio(one), PG_readahead);
      sys_ftruncate(one.cpu, one.file, PAGES + 2);
      return undefined;
    },
    first: dropped(RETRY),
    later: held(LOCKED),
    counted: { ra_async: [1, 0], lock_dropped_for_io: [1, 0] },
    after: (one, { result }) => assert.is((cachedFlags(one.cpu, one.file, PAGE) & PG_readahead) === 0, (result & RETRY) !== 0),
  },
  {
    name: 'row 13, 14: another CPU has the page: a first attempt waits without its lock, a later one with it',
    around: true,
    before: lockedByOther,
    asleep: unlockedByOther,
    first: dropped(RETRY),
    later: held(LOCKED),
    counted: { lock_dropped_for_io: [1, 0], pgmajfault: [0, 0] },
  },
  {
    name: 'row 15: killed while another CPU has the page: the lock is dropped in any case',
    before: unlockAfterwards,
    asleep: killed,
    first: dropped(RETRY),
    later: dropped(RETRY),
    counted: { folio_lock_killed: [1, 1], lock_dropped_for_io: [1, 1] },
  },
  {
    name: 'row 16, 18: the page is absent: the file is read around it, by a later attempt with its lock held',
    cold: true,
    around: true,
    first: dropped(RETRY | MAJOR),
    later: held(LOCKED | MAJOR),
    counted: { pgmajfault: [1, 1], page_gone_at_retry: [0, 1], ra_sync: [1, 1], pgpgin: [PAGES, PAGES], read_folio_sync: [0, 0] },
    after: cacheIs(PAGES, PAGES),
  },
  {
    name: 'row 17, 18: the page is absent in an area that is read at random: it alone is read',
    cold: true,
    around: true,
    before: atRandom,
    first: dropped(RETRY | MAJOR),
    later: held(LOCKED | MAJOR),
    counted: { pgmajfault: [1, 1], ra_sync: [0, 0], pgpgin: [1, 1], read_folio_sync: [1, 1] },
    after: cacheIs(1, 1),
  },
  {
    name: 'row 17, 18: the same where the file has no readahead',
    cold: true,
    before: ({ cpu, file }) => {
      cpu.words[raPagesWord(cpu.memory, file)] = 0;
      return undefined;
    },
    first: dropped(RETRY | MAJOR),
    later: held(LOCKED | MAJOR),
    counted: { pgpgin: [1, 1] },
  },
  {
    name: 'row 17: an earlier read has failed: the page is there, and is read again',
    before: (one) => {
      leaves(one.cpu, one.file);
      folio_put(one.cpu, filemapGetOrCreate(one.cpu, one.file, PAGE));
      return undefined;
    },
    around: true,
    first: dropped(RETRY),
    later: held(LOCKED),
    counted: { pgmajfault: [0, 0], read_folio_sync: [1, 1] },
    after: ({ cpu, file }) => assert.is.not(cachedFlags(cpu, file, PAGE) & PG_uptodate, 0),
  },
  {
    name: 'row 19, 20: the page cannot be read: a first attempt says RETRY, and a later one that it is the bus',
    cold: true,
    before: badBlock,
    first: dropped(RETRY | MAJOR),
    later: held(fault.VM_FAULT_SIGBUS),
    counted: { read_folio_sync: [1, 1] },
    after: ({ cpu, file }) => assert.is(cpu.words[raPagesWord(cpu.memory, file)], 8, 'the window shrinks'),
  },
  {
    name: 'row 21: beyond the end of the file, of which there is no trace',
    before: ({ cpu, file }) => {
      assert.is(sys_ftruncate(cpu, file, PAGE), 0);
      return undefined;
    },
    around: true,
    first: held(fault.VM_FAULT_SIGBUS),
    later: held(fault.VM_FAULT_SIGBUS),
    counted: { filemap_faults: [0, 0] },
  },
  {
    name: 'row 22: another CPU has the page and the caller does not wait: the lock is kept',
    flags: NOWAIT,
    locks: ['mmap'],
    before: unlockAfterwards,
    first: held(RETRY),
    later: held(RETRY),
    counted: { lock_dropped_for_io: [0, 0] },
  },
  {
    name: 'row 22: the page is absent and the caller does not wait: it is read without him',
    cold: true,
    flags: NOWAIT,
    locks: ['mmap'],
    first: held(RETRY | MAJOR),
    later: held(RETRY | MAJOR),
    after: ({ cpu, file, serve }) => {
      assert.is(cachedFlags(cpu, file, PAGE) & PG_uptodate, 0);
      serve();
      assert.is.not(cachedFlags(cpu, file, PAGE) & PG_uptodate, 0);
    },
  },
  {
    name: 'row 23: a private write copies a page that is there',
    around: true,
    flags: WRITE,
    first: held(LOCKED),
    later: held(LOCKED),
    counted: { fault_around_mapped: [0, 0] },
    after: isCopied,
  },
  {
    name: 'row 23: a private write to a page that another CPU has',
    flags: WRITE,
    before: lockedByOther,
    asleep: unlockedByOther,
    first: dropped(RETRY),
    later: held(LOCKED),
  },
  {
    name: 'row 23: a private write to a page that is absent',
    cold: true,
    flags: WRITE,
    first: dropped(RETRY | MAJOR),
    later: held(LOCKED | MAJOR),
    after: (one, { result }) => void ((result & RETRY) === 0 && isCopied(one)),
  },
  {
    name: 'row 23: a private write to a page that cannot be read',
    cold: true,
    flags: WRITE,
    before: badBlock,
    first: dropped(RETRY | MAJOR),
    later: held(fault.VM_FAULT_SIGBUS),
  },
  {
    name: 'row 23: no frame for the copy',
    flags: WRITE,
    before: ({ cpu }) => hog(cpu, 'frames', 0),
    first: held(fault.VM_FAULT_OOM),
    later: held(fault.VM_FAULT_OOM),
    counted: { filemap_faults: [0, 0] },
  },
  {
    name: 'no frame for an absent page: without the lock there is nobody to tell',
    cold: true,
    before: ({ cpu }) => hog(cpu, 'frames', 0),
    first: dropped(RETRY | MAJOR),
    later: held(fault.VM_FAULT_OOM),
    after: cacheIs(0, 0),
  },
  {
    name: 'no page table for what could be mapped around',
    around: true,
    before: ({ cpu }) => hog(cpu, 'tables', 0),
    first: held(fault.VM_FAULT_OOM),
    later: held(fault.VM_FAULT_OOM),
  },
  {
    name: 'R14: the page leaves the file between the look and the lock: it is looked for again, and read',
    at: BEFORE_FOLIO_LOCK,
    meanwhile: (other, { file }) => leaves(other, file),
    first: dropped(RETRY),
    later: held(LOCKED),
    counted: { folio_gone_found_again: [1, 1], read_folio_sync: [1, 1], pgmajfault: [0, 0] },
  },
  {
    name: 'R17: the file gets shorter between the look and the lock',
    at: BEFORE_FOLIO_LOCK,
    meanwhile: (other, { file }) => assert.is(sys_ftruncate(other, file, PAGE), 0),
    first: held(fault.VM_FAULT_SIGBUS),
    later: held(fault.VM_FAULT_SIGBUS),
    counted: { folio_gone_found_again: [1, 1] },
    after: ({ cpu, file }) => assert.is(i_size(cpu.memory, file), PAGE),
  },
  {
    name: 'row 3: another CPU maps the page first (R13)',
    at: BEFORE_FOLIO_LOCK,
    meanwhile: (other) => void attempt(other, X + PAGE, 0, 'mmap'),
    locks: ['vma'],
    first: held(NOPAGE | LOCKED),
    later: held(NOPAGE | LOCKED),
    counted: { pte_race_lost: [1, 1] },
  },
  {
    name: 'a locked area: its copy was mapped meanwhile and the page of the file has gone: nothing is read',
    flags: WRITE,
    locks: ['vma'],
    before: ({ cpu, mm }) => {
      attempt(cpu, X + PAGE + 1, 0, 'mmap'); // So that there is a page table.
      const vma = mas_walk(cpu, mmTree(cpu.memory, mm), X as Vpn);
      vm_flags_reset(cpu.memory, vma, vm_flags(cpu.memory, vma) | VM_LOCKED);
      return () => vm_flags_reset(cpu.memory, vma, vm_flags(cpu.memory, vma) & ~VM_LOCKED);
    },
    at: BEFORE_ANON_VMA_TRYLOCK,
    meanwhile: (other, { file }) => {
      assert.is(attempt(other, X + PAGE, WRITE, 'mmap').result, LOCKED);
      leaves(other, file);
    },
    first: held(NOPAGE),
    later: held(NOPAGE),
    counted: { pgmajfault: [0, 0], lock_dropped_for_io: [0, 0] },
  },
];

function check(policy: FaultPolicy, row: Row, lock: AttemptLock, later: boolean): void {
  const points = new AtPoint();
  withDisk({ policy, direct: true, pages: PAGES, raPages: VM_READAHEAD_PAGES, cached: row.cold !== true, points }, (one) => {
    const { cpu, file, mm } = one;
    setSysctl(cpu.memory, { faultAroundPages: row.around === true ? 16 : 1 });
    assert.is(sys_mmap(cpu, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), X);
    switch_mm(one.other(), mm);
    const restore = row.before?.(one);
    let heldAsleep: boolean | undefined;
    cpu.idle = () => {
      // Reclaim for a frame sleeps with whatever the fault holds; this is about the wait for the page.
      if (cpu.words[cpu.percpu + PC_WAIT_KIND] !== WAIT_RECLAIM) heldAsleep = holdsClass(cpu, LOCK_VMA) || holdsClass(cpu, LOCK_MMAP);
      return row.asleep === undefined ? one.serve() : row.asleep(one);
    };
    const { meanwhile } = row;
    if (meanwhile !== undefined) points.once(row.at as number, () => meanwhile(one.other(), one));
    const before = readCounters(cpu.memory);
    const got = attempt(cpu, X + PAGE, (row.flags ?? 0) | (later ? TRIED : 0), lock);
    const after = readCounters(cpu.memory);
    cpu.idle = one.serve;
    const which = `${lock} lock, ${later ? 'later' : 'first'} attempt`;
    assert.equal(got, later ? row.later : row.first, which);
    if (meanwhile !== undefined) assert.is(points.passed, 1, 'the point was not passed');
    if (heldAsleep !== undefined) assert.is(heldAsleep, later, `${which}: the fault lock over the wait`);
    for (const [name, expected] of Object.entries(row.counted ?? {})) {
      const event = name as CounterName;
      assert.is(after[event] - before[event], (expected as readonly number[])[later ? 1 : 0], `${which}: ${name}`);
    }
    takeSignals(cpu);
    restore?.();
    row.after?.(one, got);
    one.serve();
    assert.is(sys_munmap(cpu, X, PAGES), 0);
  });
}

for (const policy of DESIGNS) {
  for (const row of ROWS) {
    test(`${policy.vmaLock}: ${row.name}`, () => {
      for (const lock of row.locks ?? ATTEMPT_LOCKS) for (const later of [false, true]) check(policy, row, lock, later);
    });
  }
}

test.run();

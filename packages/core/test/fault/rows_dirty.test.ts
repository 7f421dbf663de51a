/**
 * Rows 24 to 28 of the table of results: a shared page becomes writable. First and later attempts, under the VMA lock and under mmap_lock, with both
 * designs of the VMA lock; which bits come back and which lock is held then. One thread: what another CPU does in between is done at a named point.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import {
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_LOCKED,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
} from '@faultlab/core/fault/vm_fault';
import { writebackStep } from '@faultlab/core/io/writeback';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { createFile, FILE_RESIDENT, freeFile, nrdirtyWord } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import { PG_dirty, ZERO_PFN } from '@faultlab/core/mm/folio';
import * as mman from '@faultlab/core/mm/mman';
import { findPteTable, pteWord, set_pte_at } from '@faultlab/core/mm/page_table';
import { mk_pte, PTE_DIRTY, PTE_PRESENT, PTE_RW, PTE_SPECIAL, PTE_YOUNG } from '@faultlab/core/mm/pte';
import { pte_offset_map_lock, pte_unmap_unlock } from '@faultlab/core/mm/pte_lock';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { nr_file_dirty } from '@faultlab/core/mm/vmstat';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { readCounters } from '@faultlab/core/trace/counters';
import { AFTER_FOLIO_LOCK, BEFORE_PAGE_MKWRITE } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { AtPoint, cachedFlags, type OnDisk, OTHER, pteOf, withDisk } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { BASE, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_dirty');

const X = BASE;
const PAGES = 4;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const COMPLETED = dropped(VM_FAULT_COMPLETED);

/** LOCKED is left over in results, and means nothing. */
const shown = ({ result, lock }: Attempt): Attempt => ({ result: result & ~VM_FAULT_LOCKED, lock });

const mapShared = (cpu: Cpu, file: MappingId): void => assert.is(sys_mmap(cpu, X, PAGES, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X);

interface Row {
  readonly name: string;
  readonly flags?: number;
  readonly before?: (one: OnDisk) => (() => void) | undefined;
  /** Done by another CPU at that point of the attempt. */
  readonly at?: number;
  readonly meanwhile?: (other: Cpu, one: OnDisk) => void;
  readonly first: Attempt;
  readonly later: Attempt;
  /** The entry afterwards: writable and dirty, or not there. */
  readonly mapped: boolean;
  readonly locks?: readonly AttemptLock[];
}

const mapReadOnly = ({ cpu }: OnDisk): undefined => {
  assert.is(userRead(cpu, X as Vpn), 0);
  assert.is(pteOf(cpu, X) & PTE_RW, 0);
};
const discard = (other: Cpu): void => assert.is(sys_madvise(other, X, 1, mman.MADV_DONTNEED), 0);
const truncate = (other: Cpu, { file }: OnDisk): void => assert.is(sys_ftruncate(other, file, 0), 0);

const ROWS: readonly Row[] = [
  { name: 'row 24, 25: a shared write of a clean page', first: COMPLETED, later: held(0), mapped: true },
  {
    name: 'row 24: a file that is asked drops the lock although the page is dirty already',
    before: ({ cpu, file }) => {
      assert.is(sys_write(cpu, file, 0, 5), 1);
      return undefined;
    },
    first: COMPLETED,
    later: held(0),
    mapped: true,
  },
  {
    name: 'row 25: NOWAIT keeps the lock',
    flags: FAULT_FLAG_RETRY_NOWAIT,
    locks: ['mmap'],
    first: held(0),
    later: held(0),
    mapped: true,
  },
  {
    name: 'row 26: the page is truncated before page_mkwrite has its lock',
    at: BEFORE_PAGE_MKWRITE,
    meanwhile: truncate,
    first: held(VM_FAULT_NOPAGE),
    later: held(VM_FAULT_NOPAGE),
    mapped: false,
  },
  {
    name: 'row 26: the same, of a page that is mapped read-only',
    before: mapReadOnly,
    at: BEFORE_PAGE_MKWRITE,
    meanwhile: truncate,
    first: held(VM_FAULT_NOPAGE),
    later: held(VM_FAULT_NOPAGE),
    mapped: false,
  },
  { name: 'row 27: a write to a page that is mapped read-only', before: mapReadOnly, first: COMPLETED, later: held(0), mapped: true },
  {
    name: 'row 27: the entry goes while the file is asked (R13)',
    before: mapReadOnly,
    at: AFTER_FOLIO_LOCK,
    meanwhile: discard,
    first: held(VM_FAULT_NOPAGE),
    later: held(VM_FAULT_NOPAGE),
    mapped: false,
  },
  {
    name: 'row 24: no page table left, after the file was asked',
    before: ({ cpu }) => hog(cpu, 'tables', 0),
    first: held(VM_FAULT_OOM),
    later: held(VM_FAULT_OOM),
    mapped: false,
  },
];

function check(policy: FaultPolicy, row: Row, lock: AttemptLock, later: boolean): void {
  const points = new AtPoint();
  withDisk({ policy, direct: true, points, pages: PAGES }, (one) => {
    const { cpu, file, mm } = one;
    mapShared(cpu, file);
    const restore = row.before?.(one);
    const other = one.other();
    other.idle = one.serve;
    switch_mm(other, mm);
    const wanted = FAULT_FLAG_WRITE | (row.flags ?? 0) | (later ? FAULT_FLAG_TRIED : 0);
    const got = attempt(cpu, X, wanted, lock, () => {
      // The other CPU has its own observer of points, or none: what it does is not stopped.
      if (row.at !== undefined) points.once(row.at, () => row.meanwhile?.(other, one));
    });
    restore?.();
    assert.equal(shown(got), later ? row.later : row.first, `${lock} lock, ${later ? 'later' : 'first'} attempt`);
    assert.is(points.passed, row.at === undefined ? 0 : 1);
    assert.is(pteOf(cpu, X) !== 0, row.mapped);
    if (row.mapped) {
      assert.is(pteOf(cpu, X) & (PTE_RW | PTE_DIRTY), PTE_RW | PTE_DIRTY);
      assert.is.not(cachedFlags(cpu, file, 0) & PG_dirty, 0);
      assert.is(cpu.words[nrdirtyWord(cpu.memory, file)], 1);
    }
    sys_munmap(cpu, X, PAGES);
  });
}

for (const policy of DESIGNS) {
  for (const row of ROWS) {
    test(`${policy.vmaLock}: ${row.name}`, () => {
      for (const lock of row.locks ?? ATTEMPT_LOCKS) for (const later of [false, true]) check(policy, row, lock, later);
    });
  }
}

test('row 24: before 6.0 the fault is tried again instead of being completed', () => {
  const policy = { ...policyByName('linux-6.18'), completed: false };
  const row: Row = { name: '', first: dropped(VM_FAULT_RETRY), later: held(0), mapped: true };
  for (const lock of ATTEMPT_LOCKS) for (const later of [false, true]) check(policy, row, lock, later);
});

test('row 24: a policy that holds its lock while it waits for pages drops it here nevertheless', () => {
  for (const name of ['hold', 'hold-file'])
    check(policyByName(name), { name, first: COMPLETED, later: held(0), mapped: true }, 'vma', false);
});

test('row 24, 25: a file that is never written back drops the lock when the page becomes dirty, and only then', () => {
  for (const lock of ATTEMPT_LOCKS) {
    withCpu({ direct: true }, ({ cpu }) => {
      const file = createFile(cpu, { pages: PAGES, kind: FILE_RESIDENT });
      mapShared(cpu, file);
      assert.equal(shown(attempt(cpu, X, FAULT_FLAG_WRITE | FAULT_FLAG_TRIED, lock)), held(0));
      assert.equal(shown(attempt(cpu, X + 1, FAULT_FLAG_WRITE, lock)), COMPLETED);
      assert.is(sys_madvise(cpu, X, PAGES, mman.MADV_DONTNEED), 0);
      assert.equal(shown(attempt(cpu, X + 1, FAULT_FLAG_WRITE, lock)), held(0));
      assert.equal([nr_file_dirty(cpu.memory), readCounters(cpu.memory).page_mkwrite], [0, 0]);
      sys_munmap(cpu, X, PAGES);
      dropFilePages(cpu, file);
      freeFile(cpu, file);
    });
  }
});

test('row 28: a shared entry without a folio becomes writable, and nobody is asked', () => {
  for (const lock of ATTEMPT_LOCKS) {
    withCpu({ direct: true }, ({ cpu, mm }) => {
      const file = createFile(cpu, PAGES);
      mapShared(cpu, file);
      assert.is(userRead(cpu, (X + 1) as Vpn), 0);
      const table = findPteTable(cpu, mm, X as Vpn);
      pte_offset_map_lock(cpu, table, X as Vpn);
      set_pte_at(cpu, pteWord(cpu.memory, table, X as Vpn), mk_pte(ZERO_PFN, PTE_PRESENT | PTE_SPECIAL | PTE_YOUNG));
      pte_unmap_unlock(cpu, table);
      assert.equal(attempt(cpu, X, FAULT_FLAG_WRITE, lock), held(0));
      assert.is.not(pteOf(cpu, X) & PTE_RW, 0);
      sys_munmap(cpu, X, PAGES);
      dropFilePages(cpu, file);
      freeFile(cpu, file);
    });
  }
});

/** One page is dirty already and the limit is one page, so that a second one is too many until write-back has ended. */
function throttled(later: boolean, lock: AttemptLock, whileWaiting: (one: OnDisk, other: Cpu) => boolean): Attempt {
  return withDisk({ direct: true, pages: PAGES }, (one) => {
    const { cpu, file } = one;
    mapShared(cpu, file);
    assert.is(sys_write(cpu, file, 3, 9), 1);
    setSysctl(cpu.memory, { dirtyThresh: 1, dirtyBackground: 0 });
    const other = one.other();
    other.idle = one.serve;
    let waits = 0;
    cpu.idle = () => {
      waits++;
      // C15: a later attempt keeps its lock while it waits.
      assert.is(heldCount(cpu) > 0, later);
      return whileWaiting(one, other);
    };
    const got = attempt(cpu, X, FAULT_FLAG_WRITE | (later ? FAULT_FLAG_TRIED : 0), lock);
    cpu.idle = one.serve;
    assert.ok(waits > 0, 'the fault was not throttled');
    assert.is(readCounters(cpu.memory).dirty_throttled, 1);
    takeSignals(cpu);
    sys_munmap(cpu, X, PAGES);
    assert.is(sys_fsync(cpu, file), 0);
    return shown(got);
  });
}

const writeBack = (one: OnDisk, other: Cpu): boolean => one.serve() || writebackStep(other) > 0;

test('a first attempt is throttled without its lock, and completed', () => {
  for (const lock of ATTEMPT_LOCKS) assert.equal(throttled(false, lock, writeBack), COMPLETED);
});

test('a later attempt holds its lock while it is throttled (C15)', () => {
  for (const lock of ATTEMPT_LOCKS) assert.equal(throttled(true, lock, writeBack), held(0));
});

test('a fatal signal ends the throttling, and the entry stays', () => {
  for (const later of [false, true]) {
    const killed = throttled(later, 'vma', (one, other) => {
      send_signal(other, one.cpu.id, SIGKILL);
      return true;
    });
    assert.equal(killed, later ? held(0) : COMPLETED);
  }
});

test('a program that writes much more than the limit gets through, and everything arrives at the device', () => {
  withDisk({ pages: 16, size: { deviceRequests: 4 } }, (one) => {
    const { cpu, file, mm } = one;
    assert.is(sys_mmap(cpu, X, 16, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X);
    setSysctl(cpu.memory, { dirtyThresh: 2, dirtyBackground: 0 });
    const other = one.other();
    assert.is(other.id, OTHER);
    other.idle = one.serve;
    switch_mm(other, mm);
    cpu.idle = () => writeBack(one, other);
    for (let page = 0; page < 16; page++) {
      assert.is(userWrite(cpu, (X + page) as Vpn, 100 + page), 0);
      assert.ok(nr_file_dirty(cpu.memory) <= 3);
    }
    const counted = readCounters(cpu.memory);
    assert.ok(counted.dirty_throttled > 0 && counted.dirty_pauses >= counted.dirty_throttled);
    sys_munmap(cpu, X, 16);
  });
});

test.run();

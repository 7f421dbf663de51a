/**
 * Rows 24, 25, 44 and 46 of the table of results: faults of shmem. First and later attempts, under the VMA lock and under mmap_lock, with both designs
 * of the VMA lock; which bits come back and which lock is held then, also while the fault sleeps. One thread: what another CPU does in between is done
 * at a named point, or when the CPU would sleep.
 */
import type { MappingId, UffdId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import * as fault from '@faultlab/core/fault/vm_fault';
import { closeFile } from '@faultlab/core/io/file';
import { createFile, FILE_RESIDENT, nrpages } from '@faultlab/core/mm/address_space';
import { filemap_add_folio } from '@faultlab/core/mm/filemap';
import { folio_mapcount, folioTest, PG_dirty, PG_swapbacked, PG_uptodate, readStamp, writeStamp } from '@faultlab/core/mm/folio';
import { __folio_set_locked, folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import * as mman from '@faultlab/core/mm/mman';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import { PTE_DIRTY, PTE_RW } from '@faultlab/core/mm/pte';
import { beginPunch, endPunch } from '@faultlab/core/mm/shmem_punch';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { wake_userfault } from '@faultlab/core/mm/userfaultfd_ctx';
import { setSysctl } from '@faultlab/core/mm/vm_sysctl';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, sys_fallocate, sys_ftruncate } from '@faultlab/core/syscalls/truncate';
import { sys_userfaultfd, userfaultfd_release } from '@faultlab/core/syscalls/userfaultfd';
import {
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  userfaultfd_register,
} from '@faultlab/core/syscalls/userfaultfd_register';
import { readCounters } from '@faultlab/core/trace/counters';
import * as points from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { pteOf } from '../fixtures/disk.ts';
import { hog } from '../fixtures/hog.ts';
import { type OnShmem, SHMEM_PAGES, settle, whenAsleep, withShmem } from '../fixtures/shmem.ts';
import { BASE, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_shmem');

const X = BASE;
const PAGES = SHMEM_PAGES;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const { FAULT_FLAG_TRIED: TRIED, FAULT_FLAG_WRITE: WRITE } = fault;
const READ = 0;

/** LOCKED is left over in results, and means nothing. */
const shown = ({ result, lock }: Attempt): Attempt => ({ result: result & ~fault.VM_FAULT_LOCKED, lock });

interface Row {
  readonly name: string;
  readonly access: number;
  readonly before?: (one: OnShmem) => void;
  /** Done by another CPU at that point of the attempt. */
  readonly at?: number;
  readonly meanwhile?: (other: Cpu, one: OnShmem) => void;
  readonly first: Attempt;
  readonly later: Attempt;
  readonly after?: (one: OnShmem) => void;
}

const writeFirst = ({ cpu, file }: OnShmem): void => assert.is(sys_write(cpu, file, 0, 77), 1);
const COMPLETED = dropped(fault.VM_FAULT_COMPLETED);
const SIGBUS = held(fault.VM_FAULT_SIGBUS);

const ROWS: readonly Row[] = [
  {
    name: 'row 11: a read of a hole makes a page of zero, which is not dirty, and maps it writable',
    access: READ,
    first: held(0),
    later: held(0),
    after: ({ cpu, file, folio }) => {
      assert.is(nrpages(cpu.memory, file), 1);
      assert.is(readStamp(cpu, folio(0)), 0);
      assert.equal(
        [PG_dirty, PG_swapbacked, PG_uptodate].map((flag) => folioTest(cpu, folio(0), flag)),
        [false, true, true],
      );
      assert.is(pteOf(cpu, X) & (PTE_RW | PTE_DIRTY), PTE_RW);
    },
  },
  {
    name: 'row 11: a read of a page that is there',
    access: READ,
    before: writeFirst,
    first: held(0),
    later: held(0),
    after: ({ cpu, folio }) => assert.is(readStamp(cpu, folio(0)), 77),
  },
  {
    name: 'row 24, 25: a write to a hole is newly dirty: the lock is dropped although nobody will throttle',
    access: WRITE,
    first: COMPLETED,
    later: held(0),
    after: ({ cpu, folio }) => {
      assert.is(folioTest(cpu, folio(0), PG_dirty), true);
      assert.is(readCounters(cpu.memory).dirty_throttled, 0);
    },
  },
  {
    name: 'row 25: a write to a page that is dirty already keeps the lock',
    access: WRITE,
    before: writeFirst,
    first: held(0),
    later: held(0),
  },
  {
    name: 'row 21: behind the end of the file',
    access: READ,
    before: ({ cpu, file }) => assert.is(sys_ftruncate(cpu, file, 0), 0),
    first: SIGBUS,
    later: SIGBUS,
  },
  {
    name: 'row 21: the file gets shorter between the look and the lock (R14, R17)',
    access: WRITE,
    before: writeFirst,
    at: points.BEFORE_FOLIO_LOCK,
    meanwhile: (other, { file }) => assert.is(sys_ftruncate(other, file, 0), 0),
    first: SIGBUS,
    later: SIGBUS,
  },
  {
    name: 'row 21: the file gets shorter while the new page is put into it',
    access: WRITE,
    at: points.BEFORE_PAGE_CACHE_INSERT,
    meanwhile: (other, { file }) => assert.is(sys_ftruncate(other, file, 0), 0),
    first: SIGBUS,
    later: SIGBUS,
    after: ({ cpu, file }) => assert.is(nrpages(cpu.memory, file), 0),
  },
  {
    name: 'row 46: the page is punched out between the look and the lock: the fault makes a new one (R14)',
    access: READ,
    before: writeFirst,
    at: points.BEFORE_FOLIO_LOCK,
    meanwhile: (other, { file }) => assert.is(sys_fallocate(other, file, PUNCH, 0, 1), 0),
    first: held(0),
    later: held(0),
    after: ({ cpu, folio }) => {
      assert.is(readStamp(cpu, folio(0)), 0);
      assert.is(readCounters(cpu.memory).folio_gone_found_again, 1);
    },
  },
  {
    name: 'row 46: another CPU fills the hole first: its page counts',
    access: READ,
    at: points.BEFORE_PAGE_CACHE_INSERT,
    meanwhile: (other, { file }) => assert.is(sys_write(other, file, 0, 88), 1),
    first: held(0),
    later: held(0),
    after: ({ cpu, folio }) => assert.is(readStamp(cpu, folio(0)), 88),
  },
  {
    name: 'row 3: another CPU maps the page first (R13)',
    access: READ,
    at: points.BEFORE_FOLIO_LOCK,
    before: writeFirst,
    meanwhile: (other) => assert.is(userRead(other, X as Vpn), 0),
    first: held(fault.VM_FAULT_NOPAGE),
    later: held(fault.VM_FAULT_NOPAGE),
    after: ({ cpu, folio }) => assert.is(folio_mapcount(cpu, folio(0)), 1),
  },
  {
    name: 'a page that somebody reserved and never used is zeroed',
    access: READ,
    before: ({ cpu, file }) => {
      const pfn = alloc_page(cpu);
      writeStamp(cpu, pfn, 4711);
      __folio_set_locked(cpu, pfn);
      assert.is(filemap_add_folio(cpu, file, 0, pfn), 0);
      folio_unlock(cpu, pfn);
      folio_put(cpu, pfn);
    },
    first: held(0),
    later: held(0),
    after: ({ cpu, folio }) => assert.is(readStamp(cpu, folio(0)), 0),
  },
];

function check(policy: FaultPolicy, row: Row, lock: AttemptLock, tried: number): void {
  withShmem(policy, (one) => {
    row.before?.(one);
    const { meanwhile } = row;
    if (meanwhile !== undefined) one.points.once(row.at as number, () => meanwhile(one.other(), one));
    const got = attempt(one.cpu, X, row.access | tried, lock);
    assert.equal(shown(got), tried === 0 ? row.first : row.later, `${lock} lock, ${tried === 0 ? 'first' : 'later'} attempt`);
    if (meanwhile !== undefined) assert.is(one.points.passed, 1);
    row.after?.(one);
  });
}

const eachAttempt = (body: (lock: AttemptLock, tried: number) => void): void => {
  for (const lock of ATTEMPT_LOCKS) for (const tried of [0, TRIED]) body(lock, tried);
};

for (const policy of DESIGNS) {
  for (const row of ROWS) {
    test(`${policy.vmaLock}: ${row.name}`, () => eachAttempt((lock, tried) => check(policy, row, lock, tried)));
  }

  test(`${policy.vmaLock}: row 46: a folio that another CPU has locked is waited for with the fault lock held, killed or not`, () => {
    eachAttempt((lock, tried) =>
      withShmem(policy, (one) => {
        const { cpu, folio } = one;
        writeFirst(one);
        folio_lock(one.other(), folio(0));
        send_signal(one.other(), cpu.id, SIGKILL);
        const asleep = whenAsleep(cpu, () => folio_unlock(one.other(), folio(0)));
        assert.equal(shown(attempt(cpu, X, READ | tried, lock)), held(0));
        takeSignals(cpu);
        assert.equal(asleep, { held: true, slept: 1 });
        assert.is(readCounters(cpu.memory).lock_dropped_for_io, 0);
      }),
    );
  });

  test(`${policy.vmaLock}: row 44: a punch is waited for without the lock on a first attempt, with it on a later one`, () => {
    eachAttempt((lock, tried) =>
      withShmem(policy, (one) => {
        const { cpu, file } = one;
        beginPunch(one.other(), file, 0, 2);
        const asleep = whenAsleep(cpu, () => endPunch(one.other(), file));
        const got = attempt(cpu, X + 1, WRITE | tried, lock);
        assert.equal(got, tried === 0 ? dropped(fault.VM_FAULT_RETRY) : held(fault.VM_FAULT_NOPAGE));
        assert.equal(asleep, { held: tried !== 0, slept: 1 });
        assert.is(readCounters(cpu.memory).shmem_hole_waits, 1);
        assert.is(nrpages(cpu.memory, file), 0);
      }),
    );
  });

  test(`${policy.vmaLock}: row 44: beside the hole nobody waits`, () => {
    eachAttempt((lock, tried) =>
      withShmem(policy, (one) => {
        const { cpu, file } = one;
        beginPunch(one.other(), file, 1, 3);
        for (const page of [0, 3]) assert.equal(shown(attempt(cpu, X + page, READ | tried, lock)), held(0));
        endPunch(one.other(), file);
        assert.is(readCounters(cpu.memory).shmem_hole_waits, 0);
      }),
    );
  });

  test(`${policy.vmaLock}: row 44: a punch that ends while the lock is being dropped is not waited for`, () => {
    withShmem(policy, (one) => {
      const { cpu, file } = one;
      beginPunch(one.other(), file, 0, 4);
      one.points.once(points.AFTER_LOCK_DROP_FOR_IO, () => endPunch(one.other(), file));
      cpu.idle = () => {
        throw new Error('nobody would wake it');
      };
      assert.equal(attempt(cpu, X, READ, 'vma'), dropped(fault.VM_FAULT_RETRY));
      cpu.idle = null;
    });
  });
}

test('row 44: the area may go while the fault waits without its lock; the file does not', () => {
  withCpu({ direct: true }, (one) => {
    const { cpu } = one;
    switch_mm(one.other(), one.mm);
    sys_mmap(cpu, X, PAGES, RW, mman.MAP_SHARED | mman.MAP_ANONYMOUS | mman.MAP_FIXED, NO_MAPPING, 0);
    const file = 1 as MappingId;
    beginPunch(cpu, file, 0, PAGES);
    const asleep = whenAsleep(cpu, () => {
      assert.is(sys_munmap(one.other(), X, PAGES), 0);
      endPunch(one.other(), file);
    });
    assert.equal(attempt(cpu, X, WRITE, 'vma'), dropped(fault.VM_FAULT_RETRY));
    assert.is(asleep.slept, 1);
    settle(one);
  });
});

const LOCK_AFTER_PUNCH: readonly (readonly [string, number, boolean])[] = [
  ['linux-6.18', fault.VM_FAULT_RETRY, false],
  ['retry-vma', fault.VM_FAULT_RETRY, false],
  ['split-flags', fault.VM_FAULT_RETRY | fault.VM_FAULT_RETRY_VMA, false],
  ['hold', fault.VM_FAULT_NOPAGE, true],
];
for (const [name, result, locksHeld] of LOCK_AFTER_PUNCH) {
  test(`${name}: row 44 under the VMA lock`, () => {
    withShmem(policyByName(name), (one) => {
      beginPunch(one.other(), one.file, 0, PAGES);
      const asleep = whenAsleep(one.cpu, () => endPunch(one.other(), one.file));
      assert.is(attempt(one.cpu, X, WRITE, 'vma').result, result);
      assert.is(asleep.held, locksHeld);
    });
  });
}

test('linux-5.7: a shared write is tried again instead of completed, and counts twice', () => {
  withShmem(
    policyByName('linux-5.7'),
    ({ cpu }) => {
      assert.is(userWrite(cpu, X as Vpn, 1), 0);
      const { pgfault, faults_retried, faults_finished } = readCounters(cpu.memory);
      assert.equal([pgfault, faults_retried, faults_finished], [2, 1, 1]);
    },
    false,
  );
});

test('linux-6.0: it is completed, and counts once', () => {
  withShmem(
    policyByName('linux-6.0'),
    ({ cpu }) => {
      assert.is(userWrite(cpu, X as Vpn, 1), 0);
      const { pgfault, faults_retried } = readCounters(cpu.memory);
      assert.equal([pgfault, faults_retried], [1, 0]);
    },
    false,
  );
});

for (const kind of ['frames', 'xaNodes'] as const) {
  test(`no ${kind} left: OOM with the lock held, and nothing is left behind`, () => {
    eachAttempt((lock, tried) =>
      withShmem(DESIGNS[0] as FaultPolicy, ({ cpu, file }) => {
        const giveBack = hog(cpu, kind, 0);
        assert.equal(attempt(cpu, X, WRITE | tried, lock), held(fault.VM_FAULT_OOM));
        giveBack();
        assert.is(nrpages(cpu.memory, file), 0);
      }),
    );
  });
}

test('row 9: fault-around maps what is there, writable, without asking the handler', () => {
  eachAttempt((lock, tried) =>
    withShmem(DESIGNS[0] as FaultPolicy, (one) => {
      setSysctl(one.cpu.memory, { faultAroundPages: 16 });
      writeFirst(one);
      assert.is(sys_write(one.cpu, one.file, 2, 5), 1);
      assert.equal(attempt(one.cpu, X, READ | tried, lock), held(fault.VM_FAULT_NOPAGE));
      assert.equal(
        [0, 1, 2].map((page) => pteOf(one.cpu, X + page) & PTE_RW),
        [PTE_RW, 0, PTE_RW],
      );
      assert.is(readCounters(one.cpu.memory).shmem_faults, 0);
    }),
  );
});

for (const [mode, page, asks] of [
  [UFFDIO_REGISTER_MODE_MISSING, 0, false],
  [UFFDIO_REGISTER_MODE_MISSING, 1, true],
  [UFFDIO_REGISTER_MODE_MINOR, 0, true],
  [UFFDIO_REGISTER_MODE_MINOR, 1, false],
] as const) {
  test(`row 36: registered for ${mode === UFFDIO_REGISTER_MODE_MISSING ? 'missing' : 'minor'} faults, a ${page === 0 ? 'page' : 'hole'}: ${asks ? 'asks' : 'does not ask'}`, () => {
    eachAttempt((lock, tried) =>
      withShmem(DESIGNS[0] as FaultPolicy, (one) => {
        const { cpu } = one;
        writeFirst(one);
        const ctx = sys_userfaultfd(cpu) as UffdId;
        assert.is(userfaultfd_register(cpu, ctx, X, PAGES, mode), 0);
        const asleep = whenAsleep(cpu, () => wake_userfault(one.other(), ctx, X + page, X + page + 1));
        assert.equal(shown(attempt(cpu, X + page, READ | tried, lock)), asks ? dropped(fault.VM_FAULT_RETRY) : held(0));
        assert.equal(asleep, { held: false, slept: asks ? 1 : 0 });
        userfaultfd_release(cpu, ctx);
      }),
    );
  });
}

test('files of other kinds do not come here', () => {
  withCpu({ direct: true }, ({ cpu }) => {
    const file = createFile(cpu, { pages: PAGES, kind: FILE_RESIDENT });
    sys_mmap(cpu, X, PAGES, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0);
    attempt(cpu, X, READ, 'vma');
    assert.is(readCounters(cpu.memory).shmem_faults, 0);
    sys_munmap(cpu, X, PAGES);
    closeFile(cpu, file);
  });
});

test.run();

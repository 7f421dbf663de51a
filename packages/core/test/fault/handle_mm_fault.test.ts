/**
 * One attempt at a fault, called directly: which bits it returns and which lock is held then, for the first attempt and a later one, under the
 * VMA lock and under mmap_lock. The rows are those of the table of results for anonymous memory and resident file pages.
 */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import {
  checkFaultFlags,
  checkFaultResult,
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_REMOTE,
  FAULT_FLAG_RETRY_NOWAIT,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_USER,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  VM_FAULT_COMPLETED,
  VM_FAULT_FALLBACK,
  VM_FAULT_LOCKED,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from '@faultlab/core/fault/vm_fault';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { PC_MAJ_FLT, PC_MIN_FLT } from '@faultlab/core/memory/percpu';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import { MMF_UNSTABLE, mmFlagsWord } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { type Attempt, attempt, held, ATTEMPT_LOCKS as LOCKS, type AttemptLock as Lock } from '../fixtures/attempt.ts';
import { hog } from '../fixtures/hog.ts';
import { BASE, type OneCpu, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('fault/handle_mm_fault');

const X = BASE;
const FILE_PAGES = 4;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const READ = 0;
const WRITE = FAULT_FLAG_WRITE;

const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];

interface Row {
  readonly name: string;
  /** The area that the fault is on, if it is not 8 private anonymous pages that may be read and written. */
  readonly prot?: number;
  readonly of?: 'private file' | 'shared file';
  /** Page of the area. */
  readonly page?: number;
  readonly flags: number;
  readonly before?: (one: OneCpu) => (() => void) | undefined;
  readonly during?: (one: OneCpu) => void;
  readonly after?: (one: OneCpu) => void;
  readonly locks?: readonly Lock[];
  readonly expected: Attempt;
}

const write = ({ cpu }: OneCpu, page: number): void => assert.is(userWrite(cpu, page as Vpn, 7), 0);
const preparedBy = (one: OneCpu): undefined => {
  write(one, X + 7);
};

const ROWS: readonly Row[] = [
  { name: 'row 1: a write to an area that may not be written', prot: mman.PROT_READ, flags: WRITE, expected: held(VM_FAULT_SIGSEGV) },
  { name: 'row 1: a read of an area without any right', prot: 0, flags: READ, expected: held(VM_FAULT_SIGSEGV) },
  { name: 'row 1: a fetch from an area that may not be executed', flags: FAULT_FLAG_INSTRUCTION, expected: held(VM_FAULT_SIGSEGV) },
  { name: 'row 1: unsharing shared memory', of: 'shared file', flags: FAULT_FLAG_UNSHARE, expected: held(VM_FAULT_SIGSEGV) },
  { name: 'row 2: no page table left', flags: READ, before: ({ cpu }) => hog(cpu, 'tables', 2), expected: held(VM_FAULT_OOM) },
  { name: 'row 4: a read maps the zero page', flags: READ, expected: held(0) },
  { name: 'row 5: a write with an anon_vma', flags: WRITE, before: preparedBy, expected: held(0) },
  {
    name: 'row 5: no frame left',
    flags: WRITE,
    before: (one) => {
      write(one, X + 7);
      return hog(one.cpu, 'frames', 0);
    },
    expected: held(VM_FAULT_OOM),
  },
  { name: 'row 6: a write without an anon_vma, under mmap_lock', flags: WRITE, locks: ['mmap'], expected: held(0) },
  { name: 'row 6: no anon_vma left', flags: WRITE, before: ({ cpu }) => hog(cpu, 'anonVmas', 0), expected: held(VM_FAULT_OOM) },
  { name: 'row 6: no link left', flags: WRITE, before: ({ cpu }) => hog(cpu, 'avcs', 0), expected: held(VM_FAULT_OOM) },
  { name: 'row 7: a write without an anon_vma, and mmap_lock is free', flags: WRITE, locks: ['vma'], expected: held(0) },
  {
    name: 'row 8: a write without an anon_vma, and a writer has mmap_lock',
    flags: WRITE,
    locks: ['vma'],
    during: (one) => mmap_write_lock(one.other(), one.mm),
    after: (one) => mmap_write_unlock(one.other(), one.mm),
    expected: { result: VM_FAULT_RETRY, lock: 'none' },
  },
  { name: 'row 11: a read of a page of a file', of: 'shared file', flags: READ, expected: held(VM_FAULT_LOCKED) },
  { name: 'row 11: a private read of a page of a file', of: 'private file', flags: READ, expected: held(VM_FAULT_LOCKED) },
  {
    name: 'row 11: a shared write of a page that is dirty already',
    of: 'shared file',
    flags: WRITE,
    before: ({ cpu }) => {
      assert.is(userWrite(cpu, X as Vpn, 7), 0);
      assert.is(sys_madvise(cpu, X, 1, mman.MADV_DONTNEED), 0);
      return undefined;
    },
    expected: held(VM_FAULT_LOCKED),
  },
  { name: 'row 23: a private copy of a page of a file', of: 'private file', flags: WRITE, expected: held(VM_FAULT_LOCKED) },
  { name: 'row 21: a read beyond the end of the file', of: 'private file', page: FILE_PAGES, flags: READ, expected: held(VM_FAULT_SIGBUS) },
  { name: 'row 21: a private write beyond the end', of: 'private file', page: FILE_PAGES, flags: WRITE, expected: held(VM_FAULT_SIGBUS) },
  { name: 'row 21: a shared write beyond the end', of: 'shared file', page: FILE_PAGES, flags: WRITE, expected: held(VM_FAULT_SIGBUS) },
  {
    name: 'row 28: a write to the zero page copies',
    flags: WRITE,
    before: ({ cpu }) => void userRead(cpu, X as Vpn),
    expected: held(0),
  },
  {
    name: 'row 28: a write to a page shared with a child copies',
    flags: WRITE,
    before: (one) => {
      write(one, X);
      one.fork();
      return undefined;
    },
    expected: held(0),
  },
  {
    name: 'row 28: no frame for the copy',
    flags: WRITE,
    before: (one) => {
      write(one, X);
      one.fork();
      return hog(one.cpu, 'frames', 0);
    },
    expected: held(VM_FAULT_OOM),
  },
  {
    name: 'R18: an address space that is being reaped gives no private pages',
    flags: WRITE,
    before: ({ cpu, mm }) => {
      const word = mmFlagsWord(cpu.memory, mm);
      cpu.words[word] = MMF_UNSTABLE;
      return () => {
        cpu.words[word] = 0;
      };
    },
    expected: held(VM_FAULT_SIGBUS),
  },
];

function check(policy: FaultPolicy, row: Row, lock: Lock, later: number): void {
  withCpu({ policy, direct: true }, (one) => {
    const { cpu } = one;
    const file: MappingId = createFile(cpu, FILE_PAGES);
    const flags =
      row.of === undefined ? mman.MAP_PRIVATE | mman.MAP_ANONYMOUS : row.of === 'shared file' ? mman.MAP_SHARED : mman.MAP_PRIVATE;
    sys_mmap(cpu, X, 8, row.prot ?? RW, flags | mman.MAP_FIXED, row.of === undefined ? NO_MAPPING : file, 0);
    const restore = row.before?.(one);
    const got = attempt(cpu, X + (row.page ?? 0), row.flags | later, lock, () => row.during?.(one));
    row.after?.(one);
    restore?.();
    assert.equal(got, row.expected, `${lock} lock, ${later === 0 ? 'first' : 'later'} attempt`);
    sys_munmap(cpu, X, 8);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
  });
}

for (const policy of DESIGNS) {
  for (const row of ROWS) {
    test(`${policy.vmaLock}: ${row.name}`, () => {
      for (const lock of row.locks ?? LOCKS) for (const later of [0, FAULT_FLAG_TRIED]) check(policy, row, lock, later);
    });
  }
}

const refused = (id: string, action: () => void): void => {
  assert.throws(action, (error: unknown) => error instanceof InvariantError && error.id === id);
};

test('flags that contradict each other are refused (I12, I14)', () => {
  const A = FAULT_FLAG_ALLOW_RETRY;
  refused('I12', () => checkFaultFlags(FAULT_FLAG_TRIED));
  refused('I12', () => checkFaultFlags(FAULT_FLAG_RETRY_NOWAIT));
  refused('I12', () => checkFaultFlags(A | FAULT_FLAG_RETRY_NOWAIT | FAULT_FLAG_VMA_LOCK | FAULT_FLAG_USER));
  refused('I12', () => checkFaultFlags(FAULT_FLAG_UNSHARE | FAULT_FLAG_WRITE));
  refused('I14', () => checkFaultFlags(A | FAULT_FLAG_VMA_LOCK));
  for (const legal of [0, A, A | FAULT_FLAG_TRIED, A | FAULT_FLAG_RETRY_NOWAIT, FAULT_FLAG_REMOTE | FAULT_FLAG_UNSHARE])
    checkFaultFlags(legal);
});

test('results that contradict each other or the flags are refused (I13)', () => {
  const A = FAULT_FLAG_ALLOW_RETRY;
  for (const [flags, result] of [
    [A, VM_FAULT_RETRY | VM_FAULT_COMPLETED],
    [A, VM_FAULT_RETRY | VM_FAULT_OOM],
    [A, VM_FAULT_COMPLETED | VM_FAULT_SIGBUS],
    [0, VM_FAULT_RETRY],
    [0, VM_FAULT_COMPLETED],
    [A | FAULT_FLAG_TRIED, VM_FAULT_COMPLETED],
    [A, VM_FAULT_FALLBACK],
  ] as const) {
    refused('I13', () => checkFaultResult(flags, result));
  }
  for (const result of [0, VM_FAULT_RETRY, VM_FAULT_RETRY | VM_FAULT_MAJOR, VM_FAULT_COMPLETED | VM_FAULT_MAJOR])
    checkFaultResult(A, result);
});

/** pgfault, minor and major faults of the attempts. */
function counts(policy: string | FaultPolicy, attempts: (one: OneCpu) => void): readonly number[] {
  return withCpu({ policy: typeof policy === 'string' ? policyByName(policy) : policy, direct: true }, (one) => {
    sys_mmap(one.cpu, X, 8, RW, mman.MAP_FIXED | mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, NO_MAPPING, 0);
    const before = readCounters(one.cpu.memory).pgfault;
    attempts(one);
    const word = (field: number): number => one.cpu.words[one.cpu.percpu + field] as number;
    return [readCounters(one.cpu.memory).pgfault - before, word(PC_MIN_FLT), word(PC_MAJ_FLT)];
  });
}

const retried = (one: OneCpu): void => {
  attempt(one.cpu, X, WRITE, 'vma', () => mmap_write_lock(one.other(), one.mm));
  mmap_write_unlock(one.other(), one.mm);
};

test('a fault that says RETRY is not counted, but for the old accounting; an error is, but charges nobody', () => {
  assert.equal(counts('linux-6.18', retried), [0, 0, 0]);
  assert.equal(counts({ ...policyByName('linux-6.18'), accounting: 'every-attempt' }, retried), [1, 0, 0], 'the accounting until 6.3');
  const refusedWrite = ({ cpu }: OneCpu): void => {
    const giveBack = hog(cpu, 'anonVmas', 0);
    attempt(cpu, X, WRITE, 'mmap');
    giveBack();
  };
  assert.equal(counts('linux-6.18', refusedWrite), [1, 0, 0]);
  assert.equal(counts('linux-5.7', refusedWrite), [1, 0, 0]);
});

test('a finished fault counts once and is minor, and major when it had been tried before (I27)', () => {
  for (const policy of ['linux-6.18', 'linux-5.7', 'linux-5.4']) {
    assert.equal(
      counts(policy, ({ cpu }) => void attempt(cpu, X, READ, 'mmap')),
      [1, 1, 0],
    );
    assert.equal(
      counts(policy, ({ cpu }) => void attempt(cpu, X, READ | FAULT_FLAG_TRIED, 'mmap')),
      [1, 0, 1],
    );
  }
});

test('an access that is forbidden counts as a success of the VMA lock (R9), one to nowhere as an abort (R1)', () => {
  withCpu({}, ({ cpu }) => {
    sys_mmap(cpu, X, 1, mman.PROT_READ, mman.MAP_FIXED | mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, NO_MAPPING, 0);
    userWrite(cpu, X as Vpn, 1);
    userWrite(cpu, (X + 5) as Vpn, 1);
    const { vma_lock_success, vma_lock_abort, vma_lock_retry, pgfault } = readCounters(cpu.memory);
    assert.equal([vma_lock_success, vma_lock_abort, vma_lock_retry, pgfault], [1, 1, 0, 0]);
    assert.is(heldCount(cpu), 0);
  });
});

test.run();

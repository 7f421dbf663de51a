/** What each policy decides, seen in the counters: which lock serves which fault, and when a fault counts. */
import type { MappingId, Vpn } from '@faultlab/core/base/brand';
import { NO_MAPPING } from '@faultlab/core/base/brand';
import { UsageError } from '@faultlab/core/base/errors';
import { createFile, freeFile } from '@faultlab/core/mm/address_space';
import { dropFilePages } from '@faultlab/core/mm/filemap';
import * as mman from '@faultlab/core/mm/mman';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { type CounterName, readCounters } from '@faultlab/core/trace/counters';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { kernelWrite, processVmRead } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { BASE, type OneCpu, RWSEM_6_18, withCpu } from '../fixtures/with_cpu.ts';

const test = suite('policy/policies');

const X = BASE;
const F = BASE + 100;
const G = BASE + 120;

/** The events of one operation on 8 untouched private pages at X and 4 pages of a file at F, which are mapped at G too. */
function counted(
  policy: FaultPolicy,
  events: readonly CounterName[],
  setup: ((one: OneCpu) => void) | null,
  operation: (one: OneCpu) => void,
): number[] {
  return withCpu({ policy }, (one) => {
    const { cpu } = one;
    const file: MappingId = createFile(cpu, 4);
    sys_mmap(cpu, X, 8, 3, mman.MAP_FIXED | mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, NO_MAPPING, 0);
    sys_mmap(cpu, F, 4, 3, mman.MAP_FIXED | mman.MAP_SHARED, file, 0);
    sys_mmap(cpu, G, 4, 3, mman.MAP_FIXED | mman.MAP_SHARED, file, 0);
    setup?.(one);
    const before = readCounters(cpu.memory);
    operation(one);
    const after = readCounters(cpu.memory);
    sys_munmap(cpu, X, 200);
    dropFilePages(cpu, file);
    freeFile(cpu, file);
    return events.map((event) => after[event] - before[event]);
  });
}

const LOCKS = ['vma_lock_success', 'vma_lock_abort', 'vma_lock_retry', 'mmap_attempts'] as const;
const UNDER_VMA_LOCK = [1, 0, 0, 0];
const FELL_BACK = [0, 1, 0, 1];
const STARTED_OVER = [0, 0, 1, 1];
const UNDER_MMAP_LOCK = [0, 0, 0, 1];
const write = ({ cpu }: OneCpu): void => void userWrite(cpu, X as Vpn, 1);

const TABLE: readonly (readonly [string, ((one: OneCpu) => void) | null, (one: OneCpu) => void, (policy: FaultPolicy) => number[]])[] = [
  [
    'a first write, with no anon_vma yet',
    null,
    write,
    ({ vmaLock, anonVmaUnderVmaLock }) => (vmaLock === 'none' ? UNDER_MMAP_LOCK : anonVmaUnderVmaLock ? UNDER_VMA_LOCK : FELL_BACK),
  ],
  [
    'a write beside a page that was written',
    write,
    ({ cpu }) => void userWrite(cpu, (X + 1) as Vpn, 1),
    ({ vmaLock }) => (vmaLock === 'none' ? UNDER_MMAP_LOCK : UNDER_VMA_LOCK),
  ],
  [
    'a read of a file, of a page that nobody has read yet',
    null,
    ({ cpu }) => void userRead(cpu, F as Vpn),
    ({ vmaLock, vmaLockFile }) => {
      if (vmaLock === 'none') return UNDER_MMAP_LOCK;
      return vmaLockFile === 'yes' ? UNDER_VMA_LOCK : vmaLockFile === 'no' ? FELL_BACK : STARTED_OVER;
    },
  ],
  [
    'a read of a file, of a page that is resident',
    ({ cpu, mm }) => void processVmRead(cpu, mm, (F + 2) as Vpn),
    ({ cpu }) => void userRead(cpu, (G + 2) as Vpn),
    ({ vmaLock, vmaLockFile }) => (vmaLock === 'none' ? UNDER_MMAP_LOCK : vmaLockFile === 'no' ? FELL_BACK : UNDER_VMA_LOCK),
  ],
  ['a fault of the kernel', write, ({ cpu }) => void kernelWrite(cpu, (X + 1) as Vpn, 1), () => UNDER_MMAP_LOCK],
];

for (const policy of POLICIES) {
  test(`${policy.name}: each kind of fault is served under the lock that this kernel uses`, () => {
    for (const [name, setup, operation, expected] of TABLE) {
      assert.equal(counted(policy, LOCKS, setup, operation), expected(policy), name);
    }
  });

  test(`${policy.name}: a fault that ends at once counts once`, () => {
    assert.equal(counted(policy, ['pgfault', 'pgmajfault'], null, write), [1, 0]);
    assert.equal(
      counted(policy, ['pgfault'], null, ({ cpu }) => void userWrite(cpu, (X + 50) as Vpn, 1)),
      [0],
    );
  });
}

test('the other design of the lock serves the same faults', () => {
  for (const [name, setup, operation, expected] of TABLE) {
    assert.equal(counted(RWSEM_6_18, LOCKS, setup, operation), expected(RWSEM_6_18), name);
  }
});

test('pages of one area are thrown away under its lock in 6.18, and under mmap_lock before', () => {
  const discard = ({ cpu }: OneCpu): void => void sys_madvise(cpu, X, 4, mman.MADV_DONTNEED);
  const discardTwo = ({ cpu }: OneCpu): void => void sys_madvise(cpu, X, 300, mman.MADV_DONTNEED);
  for (const policy of POLICIES) {
    const own = policy.vmaLock === 'refcount' ? 0 : 1;
    assert.equal(counted(policy, ['mmap_read_acquired'], write, discard), [own], policy.name);
    assert.equal(counted(policy, ['mmap_read_acquired'], write, discardTwo), [1], policy.name);
  }
});

test('a name that no policy has is refused with the names that there are', () => {
  assert.throws(
    () => policyByName('linux-7.1'),
    (error: unknown) => error instanceof UsageError && POLICIES.every(({ name }) => error.message.includes(name)),
  );
});

test.run();

/**
 * Rows 12, 13, 16 and 17 under the policies that answer a wait for a page of a file otherwise than mainline: which bits come back, which lock is held then
 * and over the wait; and how taking the VMA lock again can fail.
 */
import type { Pfn, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import * as fault from '@faultlab/core/fault/vm_fault';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { holdsClass } from '@faultlab/core/locking/held_locks';
import { LOCK_MMAP, LOCK_VMA } from '@faultlab/core/locking/lock_class';
import { VM_READAHEAD_PAGES } from '@faultlab/core/mm/address_space';
import { folio_test_anon, folioSet, PG_readahead } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { folio_end_writeback, folio_start_writeback } from '@faultlab/core/mm/folio_writeback';
import { mas_walk } from '@faultlab/core/mm/maple_tree';
import { mmTree } from '@faultlab/core/mm/mm_struct';
import * as mman from '@faultlab/core/mm/mman';
import { mmap_write_lock, mmap_write_unlock } from '@faultlab/core/mm/mmap_lock';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { vma_start_write } from '@faultlab/core/mm/vma_lock';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { rcu_idle_enter } from '@faultlab/core/sched/rcu_state';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mmap } from '@faultlab/core/syscalls/mmap';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import { BEFORE_REACQUIRE } from '@faultlab/core/trace/points';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { AtPoint, cachedFolio, DISK, type OnDisk, pteOf, withDisk } from '../fixtures/disk.ts';
import { settle } from '../fixtures/shmem.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_file_policies');

const X = BASE;
const PAGES = 4;
const PAGE = 1;
const RW = mman.PROT_READ | mman.PROT_WRITE;
const { VM_FAULT_LOCKED: LOCKED, VM_FAULT_MAJOR: MAJOR, VM_FAULT_RETRY: RETRY, VM_FAULT_RETRY_VMA: RETRY_VMA } = fault;
const { FAULT_FLAG_TRIED: TRIED, FAULT_FLAG_WRITE: WRITE } = fault;

type RowName = 'row 12' | 'row 13' | 'row 13, being written' | 'row 16' | 'row 17';
const ROW_NAMES: readonly RowName[] = ['row 12', 'row 13', 'row 13, being written', 'row 16', 'row 17'];

const folio = ({ cpu, file }: OnDisk): Pfn => cachedFolio(cpu, file, PAGE);

/** Makes the situation of a row. @returns what happens when the CPU would sleep */
function arrange(one: OnDisk, row: RowName): () => boolean {
  const { cpu, serve } = one;
  const other = one.other();
  switch (row) {
    case 'row 12':
      folioSet(cpu, folio(one), PG_readahead);
      return serve;
    case 'row 13':
    case 'row 13, being written': {
      const pfn = folio(one);
      folio_lock(other, pfn);
      const written = row !== 'row 13';
      if (written) folio_start_writeback(other, pfn);
      return () => {
        if (written) folio_end_writeback(other, pfn);
        folio_unlock(other, pfn);
        return true;
      };
    }
    case 'row 16':
      return serve;
    case 'row 17':
      assert.is(sys_madvise(cpu, X, PAGES, mman.MADV_RANDOM), 0);
      return serve;
  }
}

interface Seen {
  readonly got: Attempt;
  /** Was the fault lock held while the CPU slept? Undefined when it did not. */
  readonly waiting: boolean | undefined;
}

interface Circumstances {
  readonly flags?: number;
  /** Done by another CPU before the VMA lock is taken again. */
  readonly meanwhile?: (other: Cpu, one: OnDisk) => void;
  readonly after?: (one: OnDisk) => void;
}

function see(policy: string, row: RowName, lock: AttemptLock, { flags = 0, meanwhile, after }: Circumstances = {}): Seen {
  const points = new AtPoint();
  const cached = row !== 'row 16' && row !== 'row 17';
  return withDisk({ policy: policyByName(policy), direct: true, pages: PAGES, raPages: VM_READAHEAD_PAGES, cached, points }, (one) => {
    const { cpu, file, mm } = one;
    const other = one.other();
    assert.is(sys_mmap(cpu, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), X);
    switch_mm(other, mm);
    const asleep = arrange(one, row);
    let waiting: boolean | undefined;
    cpu.idle = () => {
      waiting = holdsClass(cpu, LOCK_VMA) || holdsClass(cpu, LOCK_MMAP);
      return asleep();
    };
    if (meanwhile !== undefined) points.once(BEFORE_REACQUIRE, () => meanwhile(other, one));
    const got = attempt(cpu, X + PAGE, flags, lock);
    cpu.idle = one.serve;
    if (meanwhile !== undefined) assert.is(points.passed, 1, 'the VMA lock was not taken again');
    after?.(one);
    takeSignals(cpu);
    one.serve();
    assert.is(sys_munmap(cpu, X, PAGES), 0);
    settle(one);
    rcu_idle_enter(other); // It is done, and holds up nobody.
    return { got, waiting };
  });
}

const without = (result: number): Seen => ({ got: dropped(result), waiting: false });
const kept = (result: number): Seen => ({ got: held(result), waiting: true });
/** Row 12 has nothing to wait for. */
const awake = ({ got }: Seen): Seen => ({ got, waiting: undefined });

type Expected = Readonly<Record<RowName, Seen>>;
const rows = (twelve: Seen, thirteen: Seen, written: Seen, sixteen: Seen, seventeen: Seen): Expected => ({
  'row 12': awake(twelve),
  'row 13': thirteen,
  'row 13, being written': written,
  'row 16': sixteen,
  'row 17': seventeen,
});
const inPlace = (result: number): Seen => ({ got: held(result), waiting: false });

const MAINLINE = rows(without(RETRY), without(RETRY), without(RETRY), without(RETRY | MAJOR), without(RETRY | MAJOR));
const again = (waitedFor: Seen, written: Seen, direct: number): Expected =>
  rows(without(RETRY | RETRY_VMA), waitedFor, written, without(RETRY | RETRY_VMA | MAJOR), without(direct));
const AGAIN = without(RETRY | RETRY_VMA);
const HOLD = rows(kept(LOCKED), kept(LOCKED), kept(LOCKED), kept(LOCKED | MAJOR), kept(LOCKED | MAJOR));
const KEPT_IF_UPTODATE = rows(without(RETRY), kept(LOCKED), kept(LOCKED), without(RETRY | MAJOR), without(RETRY | MAJOR));
const KEPT_IF_CLEAN = rows(without(RETRY), kept(LOCKED), without(RETRY), without(RETRY | MAJOR), without(RETRY | MAJOR));

/** First attempts, under the VMA lock and under mmap_lock. */
const TABLE: Readonly<Record<string, Readonly<Record<AttemptLock, Expected>>>> = {
  'linux-6.18': { vma: MAINLINE, mmap: MAINLINE },
  'linux-6.12': { vma: MAINLINE, mmap: MAINLINE },
  'retry-vma': { vma: again(AGAIN, AGAIN, RETRY | MAJOR), mmap: MAINLINE },
  'retry-vma-uptodate': { vma: again(kept(LOCKED), kept(LOCKED), RETRY | MAJOR), mmap: KEPT_IF_UPTODATE },
  'retry-vma-uptodate-writeback': { vma: again(kept(LOCKED), AGAIN, RETRY | MAJOR), mmap: KEPT_IF_CLEAN },
  hold: { vma: HOLD, mmap: HOLD },
  'hold-file': { vma: HOLD, mmap: HOLD },
  reacquire: {
    vma: rows(inPlace(LOCKED), inPlace(LOCKED), inPlace(LOCKED), inPlace(LOCKED | MAJOR), inPlace(LOCKED | MAJOR)),
    mmap: MAINLINE,
  },
  'split-flags': { vma: again(AGAIN, AGAIN, RETRY | RETRY_VMA | MAJOR), mmap: MAINLINE },
};

for (const [policy, expected] of Object.entries(TABLE)) {
  test(`${policy}: rows 12, 13, 16 and 17 of a first attempt`, () => {
    for (const row of ROW_NAMES)
      for (const lock of ATTEMPT_LOCKS) assert.equal(see(policy, row, lock), expected[lock][row], `${row}, ${lock}`);
  });
}

test('rows 14 and 18: a later attempt holds its lock under every policy', () => {
  for (const { name } of POLICIES.filter(({ vmaLockFile }) => vmaLockFile === 'yes')) {
    for (const lock of ATTEMPT_LOCKS) {
      assert.equal(see(name, 'row 13', lock, { flags: TRIED }), kept(LOCKED), `${name}, ${lock}`);
      assert.equal(see(name, 'row 16', lock, { flags: TRIED }), kept(LOCKED | MAJOR), `${name}, ${lock}`);
    }
  }
});

test('before 6.7 nothing that the file must be asked for is served under the VMA lock, and that is found out at once', () => {
  for (const flags of [0, WRITE]) {
    for (const row of ['row 12', 'row 16', 'row 17'] as const) {
      const seen = see('linux-6.6', row, 'vma', {
        flags,
        after: ({ cpu }) => assert.is(readCounters(cpu.memory).filemap_faults, 0),
      });
      assert.equal(seen, { got: dropped(RETRY), waiting: undefined }, row);
    }
  }
});

const REACQUIRED = { after: ({ cpu }: OnDisk) => assert.is(readCounters(cpu.memory).reacquired, 1) };

test('reacquire: a private write goes on in place, with the anon_vma that was prepared', () => {
  for (const row of ['row 16', 'row 17'] as const) {
    const seen = see('reacquire', row, 'vma', {
      flags: WRITE,
      after: (one) => {
        REACQUIRED.after(one);
        assert.ok(folio_test_anon(one.cpu, pte_pfn(pteOf(one.cpu, X + PAGE) as never)));
      },
    });
    assert.equal(seen, inPlace(LOCKED | MAJOR), row);
  }
});

test('reacquire: an area that was changed and changed back is still the same', () => {
  const seen = see('reacquire', 'row 16', 'vma', {
    meanwhile: (other) => {
      assert.is(sys_mprotect(other, X, PAGES, mman.PROT_READ), 0);
      assert.is(sys_mprotect(other, X, PAGES, RW), 0);
    },
    ...REACQUIRED,
  });
  assert.equal(seen, inPlace(LOCKED | MAJOR));
});

const GONE: readonly (readonly [string, (other: Cpu, one: OnDisk) => void])[] = [
  ['is gone', (other) => assert.is(sys_munmap(other, X, PAGES), 0)],
  ['is made anew', (other, { file }) => assert.is(sys_mmap(other, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0), X)],
  ['was split, and another piece has the page', (other) => assert.is(sys_mprotect(other, X + 2, 2, mman.PROT_READ), 0)],
  ['may not be written any more', (other) => assert.is(sys_mprotect(other, X, PAGES, mman.PROT_READ), 0)],
  [
    'shows another part of the file',
    (other, { file }) => assert.is(sys_mmap(other, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 1), X),
  ],
  ['is shared now', (other, { file }) => assert.is(sys_mmap(other, X, PAGES, RW, mman.MAP_SHARED | mman.MAP_FIXED, file, 0), X)],
  [
    'is memory without a file',
    (other) => assert.is(sys_mmap(other, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED | mman.MAP_ANONYMOUS, 0 as never, 0), X),
  ],
];

for (const [what, meanwhile] of GONE) {
  test(`reacquire: an area that ${what} sends the fault back to mmap_lock`, () => {
    for (const row of ['row 13', 'row 16', 'row 17'] as const) {
      for (const flags of [0, WRITE]) {
        const seen = see('reacquire', row, 'vma', {
          flags,
          meanwhile,
          after: ({ cpu }) => assert.is(readCounters(cpu.memory).reacquire_failed, 1),
        });
        assert.equal(seen, without(row === 'row 13' ? RETRY : RETRY | MAJOR), row);
      }
    }
  });
}

test('reacquire: an area that a writer has is not waited for', () => {
  const seen = see('reacquire', 'row 16', 'vma', {
    meanwhile: (other, { mm }) => {
      mmap_write_lock(other, mm);
      vma_start_write(other, mas_walk(other, mmTree(other.memory, mm), X as Vpn));
    },
    after: (one) => {
      mmap_write_unlock(one.other(), one.mm);
      const counted = readCounters(one.cpu.memory);
      assert.equal([counted.vma_lock_abort_reacquire, counted.reacquire_failed, counted.reacquired], [1, 1, 0]);
    },
  });
  assert.equal(seen, without(RETRY | MAJOR));
});

test('reacquire: a page that cannot be read is told by the next attempt', () => {
  const withBadBlock = (lock: AttemptLock, flags: number): Attempt =>
    withDisk({ policy: policyByName('reacquire'), direct: true, pages: PAGES, raPages: VM_READAHEAD_PAGES, cached: false }, (one) => {
      const { cpu, file } = one;
      setBadBlocks(cpu.memory, DISK, file, PAGE, 1);
      sys_mmap(cpu, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0);
      const got = attempt(cpu, X + PAGE, flags, lock);
      assert.is(readCounters(cpu.memory).reacquired, 0);
      sys_munmap(cpu, X, PAGES);
      return got;
    });
  assert.equal(withBadBlock('vma', 0), dropped(RETRY | MAJOR));
  assert.equal(withBadBlock('vma', TRIED), held(fault.VM_FAULT_SIGBUS));
});

test('every policy: killed while it waits for the page, the fault ends with RETRY and without its lock', () => {
  for (const { name, otherRetries } of POLICIES.filter(({ vmaLockFile }) => vmaLockFile === 'yes')) {
    for (const flags of [0, TRIED]) {
      const got = withDisk({ policy: policyByName(name), direct: true, pages: PAGES, raPages: VM_READAHEAD_PAGES }, (one) => {
        const { cpu, file } = one;
        const other = one.other();
        sys_mmap(cpu, X, PAGES, RW, mman.MAP_PRIVATE | mman.MAP_FIXED, file, 0);
        folio_lock(other, folio(one));
        cpu.idle = () => {
          send_signal(other, cpu.id, SIGKILL);
          return true;
        };
        const result = attempt(cpu, X + PAGE, flags, 'vma');
        folio_unlock(other, folio(one));
        takeSignals(cpu);
        sys_munmap(cpu, X, PAGES);
        return result;
      });
      assert.equal(got, dropped(otherRetries === 'vma' && flags === 0 ? RETRY | RETRY_VMA : RETRY), `${name} ${flags}`);
    }
  }
});

test.run();

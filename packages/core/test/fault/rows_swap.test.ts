/**
 * Rows 30 to 35 of the table of results: faults on pages that are in swap, and what each policy changes. First and later attempts, under the VMA lock
 * and under mmap_lock, with both designs of the VMA lock; which bits come back, and which lock is held then and while the fault sleeps. One thread: what
 * another CPU or the device does happens when the CPU would sleep.
 */
import type { Pfn, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import * as fault from '@faultlab/core/fault/vm_fault';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { heldCount } from '@faultlab/core/locking/held_locks';
import { folio_get, folioTest, PG_writeback, readStamp } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { folio_end_writeback, folio_start_writeback } from '@faultlab/core/mm/folio_writeback';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { PTE_DIRTY, PTE_RW, pte_pfn, pte_present } from '@faultlab/core/mm/pte';
import { swap_count, swapcache_clear, swapcache_prepare, swapExtent, swapTableFolio } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { policyByName } from '@faultlab/core/policy/policies';
import { SIGKILL, send_signal, takeSignals } from '@faultlab/core/sched/task';
import { sys_mprotect } from '@faultlab/core/syscalls/mprotect';
import { readCounters } from '@faultlab/core/trace/counters';
import { assert, suite } from '@faultlab/test-support';
import { ATTEMPT_LOCKS, type Attempt, type AttemptLock, attempt, dropped, held } from '../fixtures/attempt.ts';
import { pteOf } from '../fixtures/disk.ts';
import { type OnSwap, type SwapOptions, stampOf, withSwap, X } from '../fixtures/swap.ts';
import { RWSEM_6_18 } from '../fixtures/with_cpu.ts';

const test = suite('fault/rows_swap');

const DESIGNS: readonly FaultPolicy[] = [policyByName('linux-6.18'), RWSEM_6_18];
const {
  FAULT_FLAG_TRIED: TRIED,
  FAULT_FLAG_WRITE: WRITE,
  VM_FAULT_RETRY: RETRY,
  VM_FAULT_RETRY_VMA: RETRY_VMA,
  VM_FAULT_MAJOR: MAJOR,
} = fault;
const FIRST = 0;

interface Asleep {
  /** Times that the CPU would have slept. */
  slept: number;
  /** Locks that it held then: a fault lock, or none. */
  held: boolean;
}

/** What happens when the CPU would sleep the first time; later sleeps let the device work. */
function whenAsleep({ cpu, serve }: OnSwap, then: () => void): Asleep {
  const seen: Asleep = { slept: 0, held: false };
  cpu.idle = () => {
    seen.held = heldCount(cpu) > 0;
    if (seen.slept++ > 0) return serve();
    then();
    return true;
  };
  return seen;
}

/** The page is in the swap cache, and the other CPU has its lock until this one would sleep. */
function lockedByOther(one: OnSwap): Asleep {
  const other = one.other();
  one.pageOut(X);
  const pfn = one.cachedOf(X);
  assert.is.not(pfn, 0, 'the page is not in the swap cache');
  folio_lock(other, pfn);
  return whenAsleep(one, () => folio_unlock(other, pfn));
}

const outOfCache = (one: OnSwap): Asleep => {
  one.squeeze();
  assert.is(one.cachedOf(X), 0);
  return whenAsleep(one, () => void one.serve());
};

interface Situation {
  readonly name: string;
  readonly prepare: (one: OnSwap) => Asleep;
  readonly options?: SwapOptions;
  readonly first: (lock: AttemptLock) => Attempt;
  readonly later: Attempt;
  /** Is the page mapped after a first attempt that kept its lock, and does the fault sleep, and with its lock? */
  readonly sleeps: { readonly first: boolean; readonly later: boolean };
  readonly after?: (one: OnSwap) => void;
}

const ROWS: readonly Situation[] = [
  {
    name: 'row 30: cached, lock free',
    prepare: (one) => {
      one.pageOut(X);
      return whenAsleep(one, () => {});
    },
    first: () => held(0),
    later: held(0),
    sleeps: { first: false, later: false },
    after: ({ cpu }) => assert.is(readCounters(cpu.memory).swapin_cached, 1),
  },
  {
    name: 'row 31: cached, locked by another: the first attempt waits without the lock and takes nothing',
    prepare: lockedByOther,
    first: () => dropped(RETRY),
    later: held(0),
    sleeps: { first: true, later: true },
  },
  {
    name: 'row 32, 33: not cached, on a device that takes its time',
    prepare: outOfCache,
    first: () => dropped(RETRY | MAJOR),
    later: held(MAJOR),
    sleeps: { first: true, later: true },
    // The page, and the three around it that are in swap, too.
    after: ({ cpu }) => assert.is(readCounters(cpu.memory).pswpin, 4),
  },
  {
    name: 'row 32: not cached, and the read is over before anybody waits',
    options: { atOnce: true },
    prepare: outOfCache,
    first: () => held(MAJOR),
    later: held(MAJOR),
    sleeps: { first: false, later: false },
  },
  {
    name: 'row 34: a synchronous device: read with the lock held, past the swap cache',
    options: { synchronous: true },
    prepare: outOfCache,
    first: () => held(MAJOR),
    later: held(MAJOR),
    sleeps: { first: true, later: true },
    after: ({ cpu }) => assert.is(readCounters(cpu.memory).swapin_sync, 1),
  },
];

function checkMapped({ cpu }: OnSwap, page: number, access: number): void {
  const pte = pteOf(cpu, page);
  assert.ok(pte_present(pte as never));
  assert.is(readStamp(cpu, pte_pfn(pte as never)), stampOf(page));
  // The page was this entry's alone when it went: it may be written in place.
  assert.is(pte & PTE_RW, PTE_RW);
  assert.is(pte & PTE_DIRTY, access === WRITE ? PTE_DIRTY : 0);
}

for (const policy of DESIGNS) {
  for (const lock of ATTEMPT_LOCKS) {
    for (const access of [0, WRITE]) {
      for (const row of ROWS) {
        const what = `${policy.vmaLock}: ${row.name} (${access === WRITE ? 'write' : 'read'} under ${lock})`;
        test(`${what}, first attempt`, () =>
          withSwap({ policy, direct: true, ...row.options }, (one) => {
            const seen = row.prepare(one);
            const got = attempt(one.cpu, X, access | FIRST, lock);
            assert.equal(got, row.first(lock));
            assert.is(seen.slept > 0, row.sleeps.first);
            if (seen.slept > 0) assert.is(seen.held, got.lock === 'held', 'the fault lock in the sleep');
            if (got.lock === 'held') checkMapped(one, X, access);
            else assert.ok(!pte_present(pteOf(one.cpu, X) as never));
            row.after?.(one);
          }));
        test(`${what}, later attempt`, () =>
          withSwap({ policy, direct: true, ...row.options }, (one) => {
            const seen = row.prepare(one);
            assert.equal(attempt(one.cpu, X, access | TRIED, lock), row.later);
            assert.is(seen.slept > 0, row.sleeps.later);
            if (seen.slept > 0) assert.is(seen.held, true, 'the fault lock in the sleep');
            checkMapped(one, X, access);
            row.after?.(one);
          }));
      }
    }

    test(`${policy.vmaLock}: row 34: who finds the entry claimed sleeps a tick with the lock held, and maps nothing (${lock})`, () => {
      let now = 0;
      withSwap({ policy, direct: true, synchronous: true, now: () => now }, (one) => {
        const { cpu } = one;
        one.squeeze();
        const entry = one.entryOf(X);
        assert.is(swapcache_prepare(one.other(), entry), 0);
        const seen: Asleep = { slept: 0, held: false };
        cpu.idle = () => {
          seen.slept++;
          seen.held = heldCount(cpu) > 0;
          now += 1;
          return true;
        };
        assert.equal(attempt(cpu, X, 0, lock), held(0));
        assert.ok(seen.held);
        assert.is(now, 4, 'a tick');
        swapcache_clear(one.other(), entry);
        assert.is(one.entryOf(X), entry);
        assert.is(swap_count(cpu, entry), 1);
      });
    });

    test(`${policy.vmaLock}: row 34: the end of the claim wakes who waits for it (${lock})`, () =>
      withSwap({ policy, direct: true, synchronous: true }, (one) => {
        one.squeeze();
        const entry = one.entryOf(X);
        assert.is(swapcache_prepare(one.other(), entry), 0);
        whenAsleep(one, () => swapcache_clear(one.other(), entry));
        assert.equal(attempt(one.cpu, X, 0, lock), held(0));
      }));

    test(`${policy.vmaLock}: row 35: killed while waiting, later attempt (${lock})`, () =>
      withSwap({ policy, direct: true }, (one) => {
        const { cpu } = one;
        const other = one.other();
        one.pageOut(X);
        const pfn = one.cachedOf(X);
        folio_lock(other, pfn);
        whenAsleep(one, () => send_signal(other, cpu.id, SIGKILL));
        assert.equal(attempt(cpu, X, TRIED, lock), dropped(RETRY));
        assert.is(readCounters(cpu.memory).folio_lock_killed, 1);
        takeSignals(cpu);
        folio_unlock(other, pfn);
      }));

    test(`${policy.vmaLock}: a page that could not be read is SIGBUS with the lock held (R16, ${lock})`, () =>
      withSwap({ policy, direct: true }, (one) => {
        one.squeeze();
        setBadBlocks(one.cpu.memory, 0 as never, swapExtent(one.entryOf(X)), 0, 100);
        assert.equal(attempt(one.cpu, X, TRIED, lock), held(fault.VM_FAULT_SIGBUS));
        setBadBlocks(one.cpu.memory, 0 as never, 0, 0, 0);
      }));

    test(`${policy.vmaLock}: the page leaves the swap cache during the wait: the fault starts over (R15, ${lock})`, () =>
      withSwap({ policy, direct: true }, (one) => {
        const { cpu } = one;
        const other = one.other();
        one.pageOut(X);
        const pfn = one.cachedOf(X);
        folio_lock(other, pfn);
        switch_mm(other, cpu.mm);
        whenAsleep(one, () => {
          // It comes in and goes out again meanwhile, to another slot: the folio that the fault waits for is another page's or nobody's.
          folio_unlock(other, pfn);
          one.squeeze();
        });
        const got = attempt(cpu, X, TRIED, lock);
        assert.ok(got.lock === 'held' && (got.result & ~MAJOR) === 0);
      }));
  }
}

interface PolicyCase {
  readonly policy: string;
  readonly prepare: (one: OnSwap) => Asleep;
  readonly what: string;
  readonly vma: Attempt;
  readonly mmap: Attempt;
}

/** In the swap cache, locked and not up to date: its read is under way. */
function beingRead(one: OnSwap): Asleep {
  one.squeeze();
  const { cpu } = one;
  const idle = cpu.idle;
  cpu.idle = null;
  const other = one.other();
  switch_mm(other, cpu.mm);
  assert.equal(attempt(other, X, fault.FAULT_FLAG_RETRY_NOWAIT, 'mmap'), held(RETRY | MAJOR));
  cpu.idle = idle;
  return whenAsleep(one, () => void one.serve());
}

/** As lockedByOther(), and under writeback meanwhile. */
function lockedAndWritten(one: OnSwap): Asleep {
  const other = one.other();
  one.pageOut(X);
  const pfn: Pfn = one.cachedOf(X);
  folio_lock(other, pfn);
  folio_get(other, pfn);
  folio_start_writeback(other, pfn);
  return whenAsleep(one, () => {
    assert.ok(folioTest(other, pfn, PG_writeback));
    folio_end_writeback(other, pfn);
    folio_unlock(other, pfn);
    folio_put(other, pfn);
  });
}

const KEPT = { vma: held(0), mmap: held(0) };
const POLICY_CASES: readonly PolicyCase[] = [
  { policy: 'retry-vma', what: 'locked', prepare: lockedByOther, vma: dropped(RETRY | RETRY_VMA), mmap: dropped(RETRY) },
  { policy: 'retry-vma', what: 'not cached', prepare: outOfCache, vma: dropped(RETRY | RETRY_VMA | MAJOR), mmap: dropped(RETRY | MAJOR) },
  { policy: 'hold', what: 'locked', prepare: lockedByOther, ...KEPT },
  { policy: 'hold', what: 'not cached', prepare: outOfCache, vma: held(MAJOR), mmap: held(MAJOR) },
  { policy: 'hold-file', what: 'locked', prepare: lockedByOther, vma: dropped(RETRY | RETRY_VMA), mmap: dropped(RETRY) },
  { policy: 'reacquire', what: 'locked', prepare: lockedByOther, vma: held(0), mmap: dropped(RETRY) },
  { policy: 'reacquire', what: 'not cached', prepare: outOfCache, vma: held(MAJOR), mmap: dropped(RETRY | MAJOR) },
  { policy: 'split-flags', what: 'locked', prepare: lockedByOther, vma: dropped(RETRY | RETRY_VMA), mmap: dropped(RETRY) },
  { policy: 'retry-vma-uptodate', what: 'locked', prepare: lockedByOther, ...KEPT },
  { policy: 'retry-vma-uptodate', what: 'being read', prepare: beingRead, vma: dropped(RETRY | RETRY_VMA), mmap: dropped(RETRY) },
  { policy: 'retry-vma-uptodate', what: 'locked and being written', prepare: lockedAndWritten, ...KEPT },
  { policy: 'retry-vma-uptodate-writeback', what: 'locked', prepare: lockedByOther, ...KEPT },
  {
    policy: 'retry-vma-uptodate-writeback',
    what: 'locked and being written',
    prepare: lockedAndWritten,
    vma: dropped(RETRY | RETRY_VMA),
    mmap: dropped(RETRY),
  },
  { policy: 'linux-6.6', what: 'locked', prepare: lockedByOther, vma: dropped(RETRY), mmap: dropped(RETRY) },
  { policy: 'linux-6.12', what: 'not cached', prepare: outOfCache, vma: dropped(RETRY | MAJOR), mmap: dropped(RETRY | MAJOR) },
];

for (const { policy, what, prepare, ...expected } of POLICY_CASES) {
  for (const lock of ATTEMPT_LOCKS) {
    test(`${policy}: first attempt on a page that is ${what}, under ${lock}`, () =>
      withSwap({ policy: policyByName(policy), direct: true }, (one) => {
        const seen = prepare(one);
        assert.equal(attempt(one.cpu, X, 0, lock), expected[lock]);
        assert.is(seen.held, expected[lock].lock === 'held' && policy !== 'reacquire', 'the fault lock in the sleep');
      }));
  }
}

test('linux-6.4: a fault on swap under the VMA lock is RETRY at once', () =>
  withSwap({ policy: policyByName('linux-6.4'), direct: true }, (one) => {
    const seen = lockedByOther(one);
    assert.equal(attempt(one.cpu, X, 0, 'vma'), dropped(RETRY));
    assert.is(seen.slept, 0);
    assert.equal(attempt(one.cpu, X, 0, 'mmap'), dropped(RETRY));
    assert.is(seen.slept, 1);
  }));

const meanwhile: readonly (readonly [what: string, change: (other: Cpu, one: OnSwap) => void])[] = [
  ['the area is closed', (other) => assert.is(sys_mprotect(other, X, 8, 0), 0)],
  [
    'another CPU brings the page in',
    (other, one) => {
      other.idle = one.serve;
      assert.equal(attempt(other, X, TRIED, 'mmap'), held(0));
    },
  ],
];
for (const [what, change] of meanwhile) {
  test(`reacquire: RETRY under mmap_lock when ${what} during the wait`, () =>
    withSwap({ policy: policyByName('reacquire'), direct: true }, (one) => {
      const { cpu } = one;
      const other = one.other();
      one.pageOut(X);
      const pfn = one.cachedOf(X);
      switch_mm(other, cpu.mm);
      folio_lock(other, pfn);
      whenAsleep(one, () => {
        folio_unlock(other, pfn);
        change(other, one);
      });
      assert.equal(attempt(cpu, X as Vpn, 0, 'vma'), dropped(RETRY));
      const { reacquired, reacquire_failed } = readCounters(cpu.memory);
      assert.is(reacquired + reacquire_failed > 0, true);
      assert.is(reacquire_failed, 1);
    }));
}

test('a page that was reclaimed between two attempts is counted as gone', () =>
  withSwap({ direct: true }, (one) => {
    outOfCache(one);
    assert.equal(attempt(one.cpu, X, 0, 'vma'), dropped(RETRY | MAJOR));
    assert.is.not(swapTableFolio(one.cpu, one.entryOf(X)), 0);
    one.cpu.idle = one.serve;
    one.squeeze();
    assert.equal(attempt(one.cpu, X, TRIED, 'mmap'), held(MAJOR));
    assert.is(readCounters(one.cpu.memory).page_gone_at_retry, 1);
  }));

test.run();

/**
 * Pages that go to swap and come back while others work on them: the interleavings that decide, each forced at a named point or in a sleep, and what
 * every program must read afterwards.
 */
import type { Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { setBadBlocks } from '@faultlab/core/io/error_injection';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { folio_get, folioSet, folioTest, PG_dirty, writeStamp } from '@faultlab/core/mm/folio';
import { MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT, MADV_WILLNEED } from '@faultlab/core/mm/mman';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { pte_pfn, pte_present } from '@faultlab/core/mm/pte';
import { pte_swp_exclusive } from '@faultlab/core/mm/swap_entry';
import { swap_count, swapExtent, swapInUse } from '@faultlab/core/mm/swapfile';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { policyByName } from '@faultlab/core/policy/policies';
import { rcu_idle_enter, rcu_idle_exit } from '@faultlab/core/sched/rcu_state';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_mlock, sys_munlock } from '@faultlab/core/syscalls/mlock';
import { sys_mremap } from '@faultlab/core/syscalls/mremap';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { readCounters } from '@faultlab/core/trace/counters';
import * as points from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { processVmRead, processVmWrite } from '@faultlab/core/user/kernel_access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, pteOf } from '../fixtures/disk.ts';
import { AREA, mapPrivate, type OnSwap, PAGES, SWAP_DISK, type SwapOptions, stampOf, withSwap, X } from '../fixtures/swap.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('fault/swap_races');

const read = (cpu: Cpu, page: number): number => {
  assert.is(userRead(cpu, page as Vpn), 0);
  return cpu.value;
};
const write = (cpu: Cpu, page: number, stamp: number): void => assert.is(userWrite(cpu, page as Vpn, stamp), 0);
const present = (cpu: Cpu, page: number): boolean => pte_present(pteOf(cpu, page) as never);

/** Runs `body` with points, and with a second CPU on the same address space. */
function race<R>(options: SwapOptions, body: (one: OnSwap, at: AtPoint, other: Cpu) => R): R {
  const at = new AtPoint();
  return withSwap({ points: at, ...options }, (one) => {
    const other = one.other();
    (other as { points: unknown }).points = null;
    other.idle = one.serve;
    switch_mm(other, one.cpu.mm);
    const result = body(one, at, other);
    // Each waits for grace periods while the other is out of the way: they are one thread.
    rcu_idle_enter(one.cpu);
    rcu_barrier(other);
    rcu_idle_exit(one.cpu);
    rcu_idle_enter(other);
    return result;
  });
}

const KINDS: readonly SwapOptions[] = [{}, { synchronous: true }, { rotational: true }, { atOnce: true }];
const kindName = ({ synchronous, rotational, atOnce }: SwapOptions): string =>
  synchronous === true ? 'synchronous' : rotational === true ? 'rotational' : atOnce === true ? 'instant' : 'ordinary';

for (const kind of KINDS) {
  test(`${kindName(kind)} device: what was written comes back, through the swap cache and from the device`, () =>
    withSwap(kind, ({ cpu, pageOut, squeeze }) => {
      pageOut(X, 4);
      assert.equal(
        [0, 1, 2, 3].map((page) => read(cpu, X + page)),
        [0, 1, 2, 3].map((page) => stampOf(X + page)),
      );
      squeeze();
      write(cpu, X + 1, 7);
      squeeze();
      assert.equal(
        [0, 1, 2, 3].map((page) => read(cpu, X + page)),
        [stampOf(X), 7, stampOf(X + 2), stampOf(X + 3)],
      );
    }));

  test(`${kindName(kind)} device: parent and child each keep what they wrote, and the slot is freed with its last user`, () =>
    withSwap(kind, (one) => {
      const { cpu, mm } = one;
      one.pageOut(X, 2);
      one.squeeze();
      const entry = one.entryOf(X);
      assert.ok(pte_swp_exclusive(pteOf(cpu, X) as never));
      const child = one.fork();
      assert.is(swap_count(cpu, entry), 2);
      assert.not.ok(pte_swp_exclusive(pteOf(cpu, X) as never), 'both share the page now');
      write(cpu, X, 1);
      switch_mm(cpu, child as never);
      assert.is(read(cpu, X), stampOf(X));
      write(cpu, X, 2);
      assert.is(read(cpu, X + 1), stampOf(X + 1));
      switch_mm(cpu, mm);
      assert.equal([read(cpu, X), read(cpu, X + 1)], [1, stampOf(X + 1)]);
      one.squeeze();
      switch_mm(cpu, child as never);
      assert.is(read(cpu, X), 2);
      switch_mm(cpu, mm);
      one.exit(child as never);
      assert.is(read(cpu, X), 1);
    }));

  test(`${kindName(kind)} device: zapped, moved and thrown away: slots follow`, () =>
    withSwap(kind, (one) => {
      const { cpu } = one;
      one.squeeze();
      assert.is(swapInUse(cpu.memory, AREA), 4);
      assert.is(sys_madvise(cpu, X, 1, MADV_DONTNEED), 0);
      assert.is(sys_madvise(cpu, X + 1, 1, MADV_FREE), 0);
      assert.is(swapInUse(cpu.memory, AREA), 2);
      assert.equal([read(cpu, X), read(cpu, X + 1)], [0, 0]);
      const there = BASE + 64;
      assert.is(sys_mremap(cpu, X + 2, 2, 2, 3, there), there);
      assert.equal([read(cpu, there), read(cpu, there + 1)], [stampOf(X + 2), stampOf(X + 3)]);
      assert.is(sys_munmap(cpu, there, 2), 0);
      one.squeeze();
      assert.is(swapInUse(cpu.memory, AREA), 0);
    }));
}

test('two faults on one entry: the second finds the page mapped by the first (R13)', () =>
  race({ atOnce: true }, (one, at, other) => {
    one.squeeze();
    at.once(points.AFTER_SWAP_LOOKUP, () => assert.is(read(other, X), stampOf(X)));
    assert.is(read(one.cpu, X), stampOf(X));
    assert.is(at.passed, 1);
    assert.is(readCounters(one.cpu.memory).pte_race_lost, 1);
  }));

test('two faults on one entry while it is being read: both wait for the same read', () =>
  race({}, (one, at, other) => {
    one.squeeze();
    at.once(points.AFTER_SWAP_LOOKUP, () => assert.is(read(other, X), stampOf(X)));
    assert.is(read(one.cpu, X), stampOf(X));
    const { pgmajfault, swapin_cached } = readCounters(one.cpu.memory);
    assert.equal([pgmajfault, swapin_cached > 0], [1, true]);
  }));

test('a fault that reads past the swap cache keeps the slot, whatever becomes of its entry meanwhile (B20)', () =>
  race({ synchronous: true }, (one, at, other) => {
    const { cpu } = one;
    one.squeeze();
    const entry = one.entryOf(X);
    at.once(points.AFTER_SWAP_CLAIM, () => {
      assert.is(sys_madvise(other, X, 1, MADV_DONTNEED), 0);
      assert.is(swap_count(other, entry), 0);
      write(other, X, 55);
      assert.is(sys_madvise(other, X, 1, MADV_PAGEOUT), 0);
      assert.is.not(one.entryOf(X), entry, 'the slot that is being read was handed out again');
    });
    assert.is(read(cpu, X), 55);
    assert.is(at.passed, 1);
  }));

test('a page is written between its way out and the look at its dirt: it is not lost (B52)', () =>
  race({}, (one, at) => {
    const { cpu } = one;
    one.pageOut(X);
    const pfn = one.cachedOf(X);
    // Clean, in the swap cache, unmapped: as reclaim wants it. Somebody who had found it writes and lets go just before the freeze.
    at.once(points.BEFORE_REFCOUNT_FREEZE, () => {
      folio_get(cpu, pfn);
      writeStamp(cpu, pfn, 4711);
      folioSet(cpu, pfn, PG_dirty);
      folio_put(cpu, pfn);
    });
    one.squeeze();
    assert.is(at.passed, 1);
    assert.is(read(cpu, X), 4711);
  }));

test('a page that somebody has found is not freed under him (B53)', () =>
  race({}, (one, at) => {
    const { cpu } = one;
    one.pageOut(X);
    const pfn = one.cachedOf(X);
    at.once(points.BEFORE_REFCOUNT_FREEZE, () => folio_get(cpu, pfn));
    one.squeeze();
    assert.is(one.cachedOf(X), pfn);
    folio_put(cpu, pfn);
    one.squeeze();
    assert.is(one.cachedOf(X), 0);
  }));

test('the same entry leads to another page when the fault has the folio it found: R15 sees it', () =>
  race({ slots: 2 }, (one, at, other) => {
    const { cpu } = one;
    one.pageOut(X);
    const entry = one.entryOf(X);
    at.once(points.AFTER_SWAP_LOOKUP, () => {
      // The only slot is freed and taken again, so that comparing entries would see no difference.
      assert.is(sys_madvise(other, X, 1, MADV_DONTNEED), 0);
      write(other, X, 1);
      assert.is(sys_madvise(other, X, 1, MADV_PAGEOUT), 0);
      one.serve();
      assert.is(one.entryOf(X), entry);
    });
    assert.is(read(cpu, X), 1);
    assert.is(readCounters(cpu.memory).swap_entry_reused, 1);
  }));

test('a fault takes the page back while it is being written out; the write is not undone', () =>
  withSwap({}, ({ cpu, serve, squeeze }) => {
    assert.is(sys_madvise(cpu, X, 1, MADV_PAGEOUT), 0);
    write(cpu, X, 9); // Its first write is under way: in the swap cache, a minor fault.
    assert.is(readCounters(cpu.memory).pgmajfault, 0);
    serve();
    assert.is(read(cpu, X), 9);
    squeeze();
    assert.is(read(cpu, X), 9);
  }));

test('a slot that cannot be written leaves its page dirty, and in memory', () =>
  withSwap({}, (one) => {
    const { cpu } = one;
    assert.is(sys_madvise(cpu, X, 1, MADV_PAGEOUT), 0);
    const extent = swapExtent(one.entryOf(X));
    setBadBlocks(cpu.memory, SWAP_DISK, extent, 0, 1000);
    one.serve();
    assert.ok(folioTest(cpu, one.cachedOf(X), PG_dirty));
    assert.is(read(cpu, X), stampOf(X));
    setBadBlocks(cpu.memory, SWAP_DISK, 0, 0, 0);
  }));

test('without room in swap pages stay where they are', () =>
  withSwap({ slots: 3 }, ({ cpu, pageOut }) => {
    pageOut(X, 4);
    assert.equal(
      [0, 1, 2, 3].map((page) => present(cpu, X + page)),
      [false, false, true, true],
    );
    assert.equal(
      [0, 1, 2, 3].map((page) => read(cpu, X + page)),
      [0, 1, 2, 3].map((page) => stampOf(X + page)),
    );
  }));

test('pages of zeroes are not written, and come back as zeroes', () =>
  withSwap({}, ({ cpu, squeeze }) => {
    write(cpu, X, 0);
    squeeze();
    const { swpout_zero, pswpout } = readCounters(cpu.memory);
    assert.equal([swpout_zero, pswpout], [1, 3]);
    assert.is(read(cpu, X), 0);
    assert.is(readCounters(cpu.memory).swpin_zero, 1);
  }));

test('what GUP writes goes to swap, too, and GUP brings pages back', () =>
  withSwap({}, ({ cpu, mm, pageOut, squeeze }) => {
    pageOut(X);
    assert.is(read(cpu, X), stampOf(X)); // Clean, and in the swap cache still.
    assert.is(processVmWrite(cpu, mm, X, 31), 0);
    squeeze();
    assert.not.ok(present(cpu, X));
    assert.is(processVmRead(cpu, mm, X), 0);
    assert.is(cpu.value, 31);
  }));

test('pages of a locked area and pages that others map are left alone by pageout', () =>
  withSwap({}, (one) => {
    const { cpu } = one;
    assert.is(sys_mlock(cpu, X, 1), 0);
    one.squeeze();
    assert.equal([present(cpu, X), present(cpu, X + 1)], [true, false]);
    assert.is(sys_munlock(cpu, X, 1), 0);
    const child = one.fork();
    one.pageOut(X);
    assert.ok(present(cpu, X));
    one.exit(child as never);
    one.pageOut(X);
    assert.not.ok(present(cpu, X));
  }));

test('MADV_FREE: pages go when memory is short, unless they were written since', () =>
  withSwap({}, ({ cpu, squeeze }) => {
    assert.is(sys_madvise(cpu, X, 3, MADV_FREE), 0);
    assert.is(read(cpu, X), stampOf(X), 'nobody needed the memory yet');
    write(cpu, X + 1, 8);
    squeeze();
    squeeze();
    assert.equal([read(cpu, X), read(cpu, X + 1), read(cpu, X + 2), read(cpu, X + 3)], [0, 8, 0, stampOf(X + 3)]);
    const { pglazyfree, pglazyfreed } = readCounters(cpu.memory);
    assert.equal([pglazyfree, pglazyfreed], [3, 2]);
  }));

test('MADV_WILLNEED reads pages back without mapping them', () =>
  withSwap({}, (one) => {
    one.squeeze();
    assert.is(sys_madvise(one.cpu, X, PAGES, MADV_WILLNEED), 0);
    one.serve();
    const before = readCounters(one.cpu.memory).pgmajfault;
    assert.equal(
      [0, 1, 2, 3].map((page) => read(one.cpu, X + page)),
      [0, 1, 2, 3].map((page) => stampOf(X + page)),
    );
    assert.is(readCounters(one.cpu.memory).pgmajfault, before);
  }));

test('a write to a page that only the swap cache has besides takes it out, without a copy', () =>
  withSwap({}, (one) => {
    const { cpu } = one;
    one.pageOut(X);
    const child = one.fork(); // The entry loses its mark of the only user.
    one.exit(child as never);
    assert.is(read(cpu, X), stampOf(X));
    const pfn = pte_pfn(pteOf(cpu, X) as never);
    write(cpu, X, 3);
    assert.is(pte_pfn(pteOf(cpu, X) as never), pfn);
    assert.is(swapInUse(cpu.memory, AREA), 0);
  }));

for (const rotational of [false, true]) {
  test(`read-ahead ${rotational ? 'by slot' : 'by address'}: the window grows with hits and stays within what is in swap`, () =>
    withSwap({ rotational, size: { frames: 1024, deviceBlocks: 128, deviceRequests: 64 } }, ({ cpu, squeeze }) => {
      const at = BASE + 256;
      mapPrivate(cpu, at, 64);
      for (let page = 0; page < 64; page++) write(cpu, at + page, page + 1);
      squeeze();
      for (let page = 0; page < 64; page++) assert.is(read(cpu, at + page), page + 1);
      const { pswpin, pgmajfault, swap_ra, swap_ra_hit } = readCounters(cpu.memory);
      assert.is(pswpin, 64, 'each page is read once');
      assert.ok(pgmajfault < 32, `${pgmajfault} major faults`);
      assert.is(swap_ra, 64 - pgmajfault);
      assert.is(swap_ra_hit, swap_ra);
      assert.is(sys_munmap(cpu, at, 64), 0);
    }));
}

for (const policy of ['linux-5.4', 'linux-6.4', 'linux-6.18', 'retry-vma', 'retry-vma-uptodate', 'hold', 'reacquire', 'split-flags']) {
  test(`${policy}: pages come back by way of its entry, and only waits drop locks`, () =>
    withSwap({ policy: policyByName(policy) }, ({ cpu, squeeze }) => {
      squeeze();
      assert.equal(
        [0, 1, 2, 3].map((page) => read(cpu, X + page)),
        [0, 1, 2, 3].map((page) => stampOf(X + page)),
      );
      const { lock_dropped_for_io, pgmajfault } = readCounters(cpu.memory);
      assert.is(lock_dropped_for_io, policy === 'hold' ? 0 : pgmajfault);
    }));
}

test.run();

/** Every event of reclaim is counted once, under its name: exact numbers in forced situations, on one thread. */
import type { Pfn, Vpn } from '@faultlab/core/base/brand';
import type { Cpu } from '@faultlab/core/cpu';
import { folioSet, folioTest, PG_active, PG_workingset } from '@faultlab/core/mm/folio';
import { lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { MADV_PAGEOUT } from '@faultlab/core/mm/mman';
import { nr_free_pages } from '@faultlab/core/mm/page_alloc';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { readVmstatStates } from '@faultlab/core/mm/vmstat_state';
import { kswapdStep } from '@faultlab/core/reclaim/kswapd';
import { squeezeAll } from '@faultlab/core/reclaim/reclaim_pages';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { sys_read, sys_write } from '@faultlab/core/syscalls/file_rw';
import { sys_madvise } from '@faultlab/core/syscalls/madvise';
import { sys_fsync } from '@faultlab/core/syscalls/msync';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import type { CounterName } from '@faultlab/core/trace/counters';
import { BETWEEN_DROP_AND_RETRY } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, cachedFolio, type OnDisk, pteOf } from '../fixtures/disk.ts';
import { counter, mapAnonymous, mapFile, type ReclaimOptions, readPages, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/counts');

const counts = (cpu: Cpu, names: readonly CounterName[]): number[] => names.map((name) => counter(cpu, name));
const folioAt = (cpu: Cpu, page: number): Pfn => pte_pfn(pteOf(cpu, BASE + page) as never);
/** Every read and write of the disk takes 3 ms. */
function withSlowDisk(options: ReclaimOptions, body: (one: OnDisk) => void): void {
  let now = 0;
  withReclaim({ now: () => now, ...options }, (one) => {
    const { serve } = one;
    one.cpu.idle = () => {
      now += 3;
      return serve();
    };
    body(one);
  });
}

const SCANS = ['pgscan_direct', 'pgsteal_direct', 'pgscan_kswapd', 'pgsteal_kswapd', 'pgscan_file', 'pgsteal_file'] as const;

test('10 pages of a file, 4 wanted: the rounds look at 1, 2 and 3 of them, and those are freed', () => {
  withReclaim({ pages: 10 }, ({ cpu, file }) => {
    for (let page = 0; page < 10; page++) sys_read(cpu, file, page);
    lru_add_drain(cpu);
    assert.is(try_to_free_pages(cpu, SYSCTL_MEMCG, 4), 6);
    assert.equal(counts(cpu, SCANS), [6, 6, 0, 0, 6, 6]);
  });
});

test('the same rounds of kswapd are counted as its own', () => {
  withReclaim({ pages: 10, size: { frames: 128 } }, ({ cpu, file }) => {
    for (let page = 0; page < 10; page++) sys_read(cpu, file, page);
    const free = nr_free_pages(cpu.memory);
    setSysctl(cpu.memory, { watermarkLow: free + 1, watermarkHigh: free + 4 });
    assert.is(kswapdStep(cpu), 6);
    assert.equal(counts(cpu, SCANS), [0, 0, 6, 6, 6, 6]);
  });
});

test('MADV_PAGEOUT counts what it was asked for', () => {
  withReclaim({ pages: 4 }, ({ cpu, file }) => {
    mapFile(cpu, file, 4);
    readPages(cpu, BASE, 4);
    assert.is(sys_madvise(cpu, BASE, 3, MADV_PAGEOUT), 0);
    assert.equal(counts(cpu, ['pgscan_direct', 'pgsteal_direct', 'pgmajfault']), [3, 3, 4]);
    sys_munmap(cpu, BASE, 4);
  });
});

const WORKINGSET = ['workingset_refault_file', 'workingset_activate_file', 'workingset_restore_file'] as const;
const WORKINGSET_ANON = ['workingset_refault_anon', 'workingset_activate_anon', 'workingset_restore_anon'] as const;

test('a page of a file comes back: late, soon, and soon after it had been in use, which is thrashing for as long as the read takes', () => {
  withSlowDisk({ pages: 2 }, ({ cpu, file }) => {
    mapFile(cpu, file, 1);
    readPages(cpu, BASE, 1);
    assert.equal(counts(cpu, WORKINGSET), [0, 0, 0]);
    sys_madvise(cpu, BASE, 1, MADV_PAGEOUT);
    readPages(cpu, BASE, 1);
    assert.equal(counts(cpu, WORKINGSET), [1, 0, 0], 'nothing is active: 1 tick away is long');
    sys_read(cpu, file, 1);
    lru_add_drain(cpu);
    sys_read(cpu, file, 1);
    assert.ok(folioTest(cpu, cachedFolio(cpu, file, 1), PG_active));
    sys_madvise(cpu, BASE, 1, MADV_PAGEOUT);
    readPages(cpu, BASE, 1);
    assert.equal(counts(cpu, WORKINGSET), [2, 1, 0], '1 active page: 1 tick away is soon');
    assert.equal(counts(cpu, ['thrashing_count', 'thrashing_us']), [0, 0]);
    folioSet(cpu, folioAt(cpu, 0), PG_workingset); // As when it left the active list.
    sys_madvise(cpu, BASE, 1, MADV_PAGEOUT);
    readPages(cpu, BASE, 1);
    assert.equal(counts(cpu, WORKINGSET), [3, 2, 1]);
    assert.equal(counts(cpu, ['thrashing_count', 'thrashing_us']), [1, 3000]);
    sys_munmap(cpu, BASE, 1);
  });
});

for (const synchronous of [false, true]) {
  test(`the same for an anonymous page in swap${synchronous ? ' that the fault reads by itself' : ''}`, () => {
    withSlowDisk({ pages: 3, swap: synchronous ? 'synchronous' : true, sysctl: { pageCluster: 0 } }, ({ cpu, file }) => {
      const outAndIn = (): void => {
        squeezeAll(cpu);
        for (let page = 0; page < 3; page++) sys_read(cpu, file, page);
        lru_add_drain(cpu);
        assert.is(userRead(cpu, BASE as Vpn), 0);
        assert.is(cpu.value, 7);
      };
      mapAnonymous(cpu, 1);
      assert.is(userWrite(cpu, BASE as Vpn, 7), 0);
      outAndIn();
      assert.equal(counts(cpu, WORKINGSET_ANON), [1, 1, 0], '3 pages of the file are there: 1 tick away is soon');
      assert.equal(counts(cpu, ['pswpout', 'pswpin', 'pgmajfault']), [1, 1, 1]);
      folioSet(cpu, folioAt(cpu, 0), PG_workingset);
      outAndIn();
      assert.equal(counts(cpu, WORKINGSET_ANON), [2, 2, 1]);
      assert.equal(counts(cpu, ['pswpin', 'thrashing_count', 'thrashing_us']), [2, 1, 3000]);
      sys_munmap(cpu, BASE, 1);
    });
  });
}

test('a slot that is freed remembers nothing: the next page there is no refault', () => {
  withReclaim({ swap: true, sysctl: { pageCluster: 0 } }, ({ cpu }) => {
    for (const stamp of [7, 8]) {
      mapAnonymous(cpu, 1);
      assert.is(userWrite(cpu, BASE as Vpn, stamp), 0);
      squeezeAll(cpu);
      sys_munmap(cpu, BASE, 1);
    }
    mapAnonymous(cpu, 1);
    assert.is(userWrite(cpu, BASE as Vpn, 9), 0);
    assert.equal(counts(cpu, WORKINGSET_ANON), [0, 0, 0]);
    sys_munmap(cpu, BASE, 1);
  });
});

test('nr_dirty and nr_writeback say how many pages are in that state, and the lists how long they are', () => {
  withReclaim({ pages: 4 }, ({ cpu, file, serve }) => {
    for (let page = 0; page < 3; page++) assert.is(sys_write(cpu, file, page, 50 + page), 1);
    lru_add_drain(cpu);
    const seen: number[][] = [];
    const look = (): void => {
      const { nr_dirty, nr_writeback, nr_inactive_file } = readVmstatStates(cpu.memory);
      seen.push([nr_dirty, nr_writeback, nr_inactive_file]);
    };
    look();
    cpu.idle = () => {
      look();
      return serve();
    };
    assert.is(sys_fsync(cpu, file), 0);
    cpu.idle = serve;
    look();
    assert.equal(seen, [
      [3, 0, 3],
      [0, 3, 3],
      [0, 0, 3],
    ]);
  });
});

test('a lock dropped for I/O is counted, and a page that is gone at the retry, too', () => {
  const points = new AtPoint();
  withReclaim({ pages: 1, points }, ({ cpu, file }) => {
    mapFile(cpu, file, 1);
    points.once(BETWEEN_DROP_AND_RETRY, () => assert.is(squeezeAll(cpu), 1));
    readPages(cpu, BASE, 1);
    assert.is(points.passed, 1);
    assert.equal(counts(cpu, ['lock_dropped_for_io', 'page_gone_at_retry', 'pgmajfault']), [1, 1, 2]);
    sys_madvise(cpu, BASE, 1, MADV_PAGEOUT);
    readPages(cpu, BASE, 1);
    assert.equal(counts(cpu, ['lock_dropped_for_io', 'page_gone_at_retry']), [2, 1], 'nobody took it this time');
    sys_munmap(cpu, BASE, 1);
  });
});

test.run();

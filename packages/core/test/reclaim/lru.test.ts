/** Pages come to the lists of reclaim, age there, and go, when a cgroup or the machine is short of memory. One thread. */
import type { Vpn } from '@faultlab/core/base/brand';
import { FAULT_OOM } from '@faultlab/core/fault/do_user_addr_fault';
import { sweep } from '@faultlab/core/invariants/sweep';
import { folioTest, PG_active, PG_lru, PG_referenced } from '@faultlab/core/mm/folio';
import { lru_add_drain, lruBatch } from '@faultlab/core/mm/folio_add_lru';
import { LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE, lruSize } from '@faultlab/core/mm/lru';
import { memcgEvents, memcgUsage, setMemcgMax } from '@faultlab/core/mm/memcg';
import { mm_memcg } from '@faultlab/core/mm/mm_struct';
import { nr_free_pages } from '@faultlab/core/mm/page_alloc';
import { PTE_YOUNG } from '@faultlab/core/mm/pte';
import { SYSCTL_MEMCG, setSysctl } from '@faultlab/core/mm/vm_sysctl';
import { kswapdStep } from '@faultlab/core/reclaim/kswapd';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { cachedFolio, pteOf } from '../fixtures/disk.ts';
import { counter, mapAnonymous, mapFile, readPages, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('reclaim/lru');
const CGROUP = SYSCTL_MEMCG;

test('a page of a file is in the batch of its CPU first, and on the inactive list when the batch is full', () => {
  withReclaim({ pages: 40 }, ({ cpu, file }) => {
    for (let page = 0; page < 40; page++) assert.is(sys_read(cpu, file, page), 1);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_FILE) + lruBatch(cpu.memory, cpu.id).length, 40);
    assert.ok(lruBatch(cpu.memory, cpu.id).length < 31);
    assert.is(memcgUsage(cpu, CGROUP), 40);
    lru_add_drain(cpu);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_FILE), 40);
    assert.equal(sweep(cpu), []);
  });
});

test('an anonymous page is on the inactive list of anonymous pages, and off it when it is unmapped', () => {
  withReclaim({}, ({ cpu }) => {
    mapAnonymous(cpu, 4);
    for (let page = 0; page < 4; page++) assert.is(userWrite(cpu, (BASE + page) as Vpn, 5), 0);
    lru_add_drain(cpu);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), 4);
    sys_munmap(cpu, BASE, 4);
    assert.equal([lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), memcgUsage(cpu, CGROUP)], [0, 0]);
  });
});

test('a page that is read twice becomes active', () => {
  withReclaim({ pages: 2 }, ({ cpu, file }) => {
    sys_read(cpu, file, 0);
    lru_add_drain(cpu);
    assert.ok(folioTest(cpu, cachedFolio(cpu, file, 0), PG_referenced));
    sys_read(cpu, file, 0);
    assert.ok(folioTest(cpu, cachedFolio(cpu, file, 0), PG_active));
    assert.equal([lruSize(cpu.memory, CGROUP, LRU_ACTIVE_FILE), counter(cpu, 'pgactivate')], [1, 1]);
  });
});

test('a file larger than the limit is read through a mapping: old pages go, and the limit holds at every moment', () => {
  withReclaim({ pages: 64, sysctl: { memoryMax: 40 } }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    for (let page = 0; page < 64; page++) {
      readPages(cpu, BASE + page, 1);
      assert.ok(memcgUsage(cpu, CGROUP) <= 40, 'over the limit');
    }
    assert.ok(counter(cpu, 'pgsteal_direct') >= 24);
    assert.ok(counter(cpu, 'pgscan_file') >= counter(cpu, 'pgsteal_file'));
    assert.equal([counter(cpu, 'oom'), counter(cpu, 'workingset_refault_file')], [0, 0]);
    readPages(cpu, BASE, 8);
    assert.ok(counter(cpu, 'workingset_refault_file') > 0, 'the first pages have been away');
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 64);
  });
});

test('without swap, anonymous pages up to the limit and no further: VM_FAULT_OOM', () => {
  withReclaim({ sysctl: { memoryMax: 8 } }, ({ cpu }) => {
    mapAnonymous(cpu, 16);
    for (let page = 0; page < 8; page++) assert.is(userWrite(cpu, (BASE + page) as Vpn, 5), 0);
    assert.is(userWrite(cpu, (BASE + 8) as Vpn, 5), FAULT_OOM);
    assert.equal([memcgUsage(cpu, CGROUP), memcgEvents(cpu.memory, CGROUP, 'oom'), counter(cpu, 'oom')], [8, 1, 1]);
    setMemcgMax(cpu, CGROUP, 9);
    assert.is(userWrite(cpu, (BASE + 8) as Vpn, 5), 0, 'the limit was raised');
    sys_munmap(cpu, BASE, 16);
  });
});

test('with swap, more anonymous pages than the limit: they go to swap, and come back with what they held', () => {
  withReclaim({ swap: true, sysctl: { memoryMax: 40 } }, ({ cpu }) => {
    mapAnonymous(cpu, 60);
    for (let page = 0; page < 60; page++) assert.is(userWrite(cpu, (BASE + page) as Vpn, 100 + page), 0, `page ${page}`);
    assert.ok(counter(cpu, 'pswpout') > 0);
    for (let page = 0; page < 60; page++) {
      assert.is(userRead(cpu, (BASE + page) as Vpn), 0);
      assert.is(cpu.value, 100 + page);
    }
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 60);
  });
});

test('a limit that is lowered while pages are in use goes with the next charge', () => {
  withReclaim({ pages: 64 }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 50);
    assert.is(memcgUsage(cpu, CGROUP), 50);
    setMemcgMax(cpu, CGROUP, 40);
    readPages(cpu, BASE + 50, 1);
    assert.ok(memcgUsage(cpu, CGROUP) <= 40);
    sys_munmap(cpu, BASE, 64);
  });
});

test('over `high` the task reclaims before it goes back to its program, and no fault fails', () => {
  withReclaim({ pages: 64, sysctl: { memoryHigh: 40 } }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    readPages(cpu, BASE, 64);
    assert.ok(memcgUsage(cpu, CGROUP) <= 40);
    assert.ok(memcgEvents(cpu.memory, CGROUP, 'high') > 0);
    sys_munmap(cpu, BASE, 64);
  });
});

test('the child of a fork is in the cgroup of its parent', () => {
  withReclaim({}, ({ cpu, fork }) => assert.is(mm_memcg(cpu.memory, fork() as never), CGROUP));
});

test('ageing: the first look takes the marks of use away and keeps a page, a page used again becomes active, one that was not used goes', () => {
  withReclaim({ pages: 3 }, ({ cpu, file }) => {
    mapFile(cpu, file, 3);
    readPages(cpu, BASE, 3);
    lru_add_drain(cpu);
    assert.is(try_to_free_pages(cpu, CGROUP, 1), 3 - 2, 'the rounds go on until one page is found that was not used again');
    assert.ok(pteOf(cpu, BASE + 2) === 0 || (pteOf(cpu, BASE + 2) & PTE_YOUNG) === 0);
    sys_munmap(cpu, BASE, 3);
  });
});

test('background reclaim begins below the lower mark and ends at the upper one', () => {
  withReclaim({ pages: 200, size: { frames: 256 } }, ({ cpu, file }) => {
    for (let page = 0; page < 200; page++) assert.is(sys_read(cpu, file, page), 1);
    const free = nr_free_pages(cpu.memory);
    assert.is(kswapdStep(cpu), 0, 'no marks are set');
    setSysctl(cpu.memory, { watermarkLow: free, watermarkHigh: free + 50 });
    assert.is(kswapdStep(cpu), 0, 'not below it');
    setSysctl(cpu.memory, { watermarkLow: free + 1 });
    assert.ok(kswapdStep(cpu) >= 50);
    assert.ok(nr_free_pages(cpu.memory) >= free + 50);
    assert.equal([counter(cpu, 'pageoutrun'), counter(cpu, 'pgsteal_direct')], [1, 0]);
    assert.ok(counter(cpu, 'pgsteal_kswapd') >= 50);
  });
});

test('a machine without free frames reclaims in the task that needs one', () => {
  withReclaim({ pages: 200, size: { frames: 128, xaNodes: 16 } }, ({ cpu, file }) => {
    mapFile(cpu, file, 200);
    readPages(cpu, BASE, 200);
    assert.ok(counter(cpu, 'allocstall') > 0);
    assert.is(counter(cpu, 'oom'), 0);
    assert.ok(!folioTest(cpu, cachedFolio(cpu, file, 199), PG_lru) || lruSize(cpu.memory, CGROUP, LRU_INACTIVE_FILE) > 0);
    sys_munmap(cpu, BASE, 200);
  });
});

test('a page that comes back soon is active at once; one that was in use before also counts as thrashing', () => {
  withReclaim({ pages: 64, sysctl: { memoryMax: 36 } }, ({ cpu, file }) => {
    mapFile(cpu, file, 64);
    for (let round = 0; round < 6; round++) readPages(cpu, BASE, 42);
    assert.ok(counter(cpu, 'workingset_refault_file') > 0);
    assert.ok(counter(cpu, 'workingset_activate_file') <= counter(cpu, 'workingset_refault_file'));
    assert.ok(counter(cpu, 'workingset_restore_file') <= counter(cpu, 'workingset_activate_file'));
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 64);
  });
});

test.run();

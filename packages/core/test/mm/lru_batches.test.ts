/** Pages in the batch of one CPU, and pages that are isolated, against another CPU that wants them: to move them, to reclaim them. Two CPUs on one thread. */

import type { Pfn, Vpn } from '@faultlab/core/base/brand';
import { NO_MM } from '@faultlab/core/base/brand';
import { EAGAIN } from '@faultlab/core/base/errno';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { folio_get, folio_ref_count, folioTest, PG_lru } from '@faultlab/core/mm/folio';
import { lru_add_drain, lru_add_drain_all, lruBatch } from '@faultlab/core/mm/folio_add_lru';
import { folio_isolate_lru, folio_putback_lru } from '@faultlab/core/mm/folio_isolate_lru';
import { LRU_INACTIVE_ANON, lruSize } from '@faultlab/core/mm/lru';
import { poisonPage, unpoison_memory } from '@faultlab/core/mm/memory_failure';
import { migrateFolio } from '@faultlab/core/mm/migrate';
import { folio_put } from '@faultlab/core/mm/page_alloc';
import { pte_pfn } from '@faultlab/core/mm/pte';
import { switch_mm } from '@faultlab/core/mm/switch_mm';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { try_to_free_pages } from '@faultlab/core/reclaim/try_to_free_pages';
import { sys_move_pages } from '@faultlab/core/syscalls/move_pages';
import { sys_munmap } from '@faultlab/core/syscalls/munmap';
import { AFTER_MIGRATION_UNMAP } from '@faultlab/core/trace/points';
import { userRead, userWrite } from '@faultlab/core/user/access';
import { assert, suite } from '@faultlab/test-support';
import { AtPoint, pteOf } from '../fixtures/disk.ts';
import { counter, mapAnonymous, withReclaim } from '../fixtures/reclaim.ts';
import { BASE } from '../fixtures/with_cpu.ts';

const test = suite('mm/lru_batches');
const CGROUP = SYSCTL_MEMCG;

const pfnOf = (cpu: Cpu, page: number): Pfn => pte_pfn(pteOf(cpu, page) as never);

function write(cpu: Cpu, first: number, pages: number): void {
  for (let page = first; page < first + pages; page++) assert.is(userWrite(cpu, page as Vpn, 100 + page - BASE), 0);
}

test('a page in the batch of another CPU moves: who may wait empties all batches first', () => {
  withReclaim({}, ({ cpu, mm, other }) => {
    const second = other();
    switch_mm(second, mm);
    mapAnonymous(cpu, 4);
    write(second, BASE, 1);
    const old = pfnOf(cpu, BASE);
    assert.equal([folio_ref_count(cpu, old), lruBatch(cpu.memory, second.id)], [2, [old]], 'the entry, and the batch');
    assert.is(sys_move_pages(cpu, BASE), 0);
    assert.is.not(pfnOf(cpu, BASE), old);
    assert.equal(lruBatch(cpu.memory, second.id), []);
    lru_add_drain(cpu);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), 1);
    assert.is(userRead(cpu, BASE as Vpn), 0);
    assert.is(cpu.value, 100);
    switch_mm(second, NO_MM);
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 4);
  });
});

test('a page in the batch of another CPU does not move for a caller that may not wait', () => {
  withReclaim({}, ({ cpu, mm, other }) => {
    const second = other();
    switch_mm(second, mm);
    mapAnonymous(cpu, 4);
    write(second, BASE, 1);
    const pfn = pfnOf(cpu, BASE);
    folio_get(cpu, pfn);
    assert.is(migrateFolio(cpu, pfn, 'async'), EAGAIN);
    assert.is(pfnOf(cpu, BASE), pfn);
    lru_add_drain(second);
    assert.is(migrateFolio(cpu, pfn, 'async'), 0);
    folio_put(cpu, pfn);
    sys_munmap(cpu, BASE, 4);
  });
});

test('while a page is on its way to another frame, reclaim of another CPU does not find it', () => {
  const points = new AtPoint();
  withReclaim({ swap: true, points }, ({ cpu, other }) => {
    mapAnonymous(cpu, 4);
    write(cpu, BASE, 1);
    lru_add_drain(cpu);
    const old = pfnOf(cpu, BASE);
    points.once(AFTER_MIGRATION_UNMAP, () => {
      assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), 0);
      assert.not.ok(folio_isolate_lru(other(), old), 'it was isolated twice');
      assert.is(try_to_free_pages(other(), CGROUP, 1), 0);
      assert.is(counter(cpu, 'pgscan_anon'), 0);
    });
    assert.is(sys_move_pages(cpu, BASE), 0);
    assert.is(points.passed, 1);
    lru_add_drain(cpu);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), 1);
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 4);
  });
});

test('a page that reclaim has isolated does not move, and is back on its list when reclaim gives it back', () => {
  withReclaim({}, ({ cpu, other }) => {
    mapAnonymous(cpu, 4);
    write(cpu, BASE, 1);
    lru_add_drain(cpu);
    const pfn = pfnOf(cpu, BASE);
    folio_get(cpu, pfn);
    assert.ok(folio_isolate_lru(other(), pfn));
    assert.is(migrateFolio(cpu, pfn, 'sync'), EAGAIN);
    folio_putback_lru(other(), pfn);
    assert.ok(folioTest(cpu, pfn, PG_lru));
    assert.is(migrateFolio(cpu, pfn, 'sync'), 0);
    folio_put(cpu, pfn);
    sys_munmap(cpu, BASE, 4);
  });
});

test('a batch that another CPU empties while its own goes on adding: every page comes to its list once', () => {
  withReclaim({}, ({ cpu, other }) => {
    mapAnonymous(cpu, 8);
    write(cpu, BASE, 3);
    lru_add_drain_all(other());
    assert.equal([lruBatch(cpu.memory, cpu.id).length, lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON)], [0, 3]);
    write(cpu, BASE + 3, 2);
    assert.equal(lruBatch(cpu.memory, cpu.id), [pfnOf(cpu, BASE + 3), pfnOf(cpu, BASE + 4)]);
    lru_add_drain(cpu);
    assert.is(lruSize(cpu.memory, CGROUP, LRU_INACTIVE_ANON), 5);
    for (let page = 0; page < 5; page++) assert.is(folio_ref_count(cpu, pfnOf(cpu, BASE + page)), 1, `page ${page}`);
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, 8);
  });
});

test('broken pages at the old end of a list do not keep reclaim from the others', () => {
  const BROKEN = 70;
  withReclaim({ swap: true, size: { deviceBlocks: 256 } }, ({ cpu, mm, serve }) => {
    mapAnonymous(cpu, BROKEN + 8);
    write(cpu, BASE, BROKEN + 8);
    lru_add_drain(cpu);
    const broken = Array.from({ length: BROKEN }, (_, page) => pfnOf(cpu, BASE + page));
    for (let page = 0; page < BROKEN; page++) assert.is(poisonPage(cpu, mm, (BASE + page) as Vpn), 0);
    let freed = 0;
    for (let round = 0; round < 3; round++) {
      freed += try_to_free_pages(cpu, CGROUP, 4); // Takes the marks of use away; writes; frees.
      serve();
    }
    assert.ok(freed >= 4, `${freed} pages were freed`);
    for (const pfn of broken) assert.not.ok(folioTest(cpu, pfn, PG_lru));
    assert.equal(sweep(cpu), []);
    sys_munmap(cpu, BASE, BROKEN + 8);
    for (const pfn of broken) unpoison_memory(cpu, pfn);
  });
});

test.run();

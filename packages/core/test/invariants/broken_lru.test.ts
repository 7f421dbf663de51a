/** The lists of reclaim and the counts of cgroups are broken here, and the sweep, or the next step, sees it. */
import type { Pfn } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { sweep } from '@faultlab/core/invariants/sweep';
import { spin_lock, spin_unlock } from '@faultlab/core/locking/spinlock';
import { folioClear, folioSet, lruListOf, lruNext, lruPrev, PG_lru, setLruListOf, setLruNext, setLruPrev } from '@faultlab/core/mm/folio';
import { folio_add_lru, lru_add_drain } from '@faultlab/core/mm/folio_add_lru';
import { LRU_INACTIVE_FILE, lruHead, lruLockWord, lruvec_add_folio, lruvec_del_folio } from '@faultlab/core/mm/lru';
import { memcgUsageWord } from '@faultlab/core/mm/memcg';
import { SYSCTL_MEMCG } from '@faultlab/core/mm/vm_sysctl';
import { sys_read } from '@faultlab/core/syscalls/file_rw';
import { assert, suite } from '@faultlab/test-support';
import type { OnDisk } from '../fixtures/disk.ts';
import { withReclaim } from '../fixtures/reclaim.ts';

const test = suite('invariants/broken_lru');

/** Three pages of a file on the inactive list, `middle` between the two others. */
function onLists(body: (one: OnDisk, middle: Pfn) => void): void {
  withReclaim({ pages: 3 }, (one) => {
    const { cpu, file } = one;
    for (let page = 0; page < 3; page++) assert.is(sys_read(cpu, file, page), 1);
    lru_add_drain(cpu);
    assert.equal(sweep(cpu), []);
    body(one, lruNext(cpu.memory, lruHead(cpu.memory, SYSCTL_MEMCG, LRU_INACTIVE_FILE)));
  });
}

function breaks(id: string, what: string, message: RegExp, damage: (one: OnDisk, middle: Pfn) => () => void): void {
  test(`${id}: ${what}`, () => {
    onLists((one, middle) => {
      const repair = damage(one, middle);
      const found = sweep(one.cpu);
      assert.ok(
        found.some((violation) => violation.id === id && message.test(violation.message)),
        JSON.stringify(found),
      );
      repair();
    });
  });
}

breaks(
  'I33',
  'a page on a list has lost its flag',
  /list 2 of cgroup 1 has frame \d+, which says that it is elsewhere/,
  ({ cpu }, middle) => {
    folioClear(cpu, middle, PG_lru);
    return () => void folioSet(cpu, middle, PG_lru);
  },
);
breaks('I33', 'a page says that it is on another list', /says that it is elsewhere/, ({ cpu }, middle) => {
  const before = lruListOf(cpu.memory, middle);
  setLruListOf(cpu.memory, middle, 3);
  return () => setLruListOf(cpu.memory, middle, before);
});
breaks('I33', 'a page is on no list', /frame \d+ can be reclaimed, but is on 0 lists/, ({ cpu }, middle) => {
  const lock = lruLockWord(cpu.memory, SYSCTL_MEMCG);
  spin_lock(cpu, lock);
  lruvec_del_folio(cpu, middle);
  spin_unlock(cpu, lock);
  return () => {
    spin_lock(cpu, lock);
    lruvec_add_folio(cpu, middle);
    spin_unlock(cpu, lock);
  };
});
breaks('I33', 'a list does not lead back', /does not lead back to frame/, ({ cpu }, middle) => {
  const before = lruPrev(cpu.memory, middle);
  setLruPrev(cpu.memory, middle, 0 as Pfn);
  return () => setLruPrev(cpu.memory, middle, before);
});
breaks('I33', 'a list goes round', /does not lead back to frame/, ({ cpu }, middle) => {
  const before = lruNext(cpu.memory, middle);
  setLruNext(cpu.memory, middle, middle);
  return () => setLruNext(cpu.memory, middle, before);
});
breaks('Q14', 'a cgroup counts a page too many', /cgroup 1 counts 4 pages, but 3 are charged to it/, ({ cpu }) => {
  const word = memcgUsageWord(cpu.memory, SYSCTL_MEMCG);
  cpu.words[word] = 4;
  return () => {
    cpu.words[word] = 3;
  };
});

/** @returns the id of the invariant that the act breaks */
function caught(act: () => void): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof InvariantError) return thrown.id;
    throw thrown;
  }
  return 'nothing';
}

test('I33: a page that is on a list is put on its way to one', () => {
  onLists(({ cpu }, middle) =>
    assert.is(
      caught(() => folio_add_lru(cpu, middle)),
      'I33',
    ),
  );
});
test('I33: a list is changed without its lock', () => {
  onLists(({ cpu }, middle) =>
    assert.is(
      caught(() => lruvec_del_folio(cpu, middle)),
      'I33',
    ),
  );
});

test.run();

/**
 * Swap areas on their own: counts of slots against a simple model, the order in which slots are handed out, claims, and what happens when they are
 * out. And the swap cache between two CPUs, with the interleaving forced.
 */
import type { Pfn, SwapId, SwpEntry } from '@faultlab/core/base/brand';
import { NO_SWAP_ENTRY } from '@faultlab/core/base/brand';
import { EEXIST, ENOENT } from '@faultlab/core/base/errno';
import { InvariantError, UsageError } from '@faultlab/core/base/errors';
import { Prng } from '@faultlab/core/base/prng';
import type { Cpu } from '@faultlab/core/cpu';
import { sweep } from '@faultlab/core/invariants/sweep';
import { RECORD_WORDS } from '@faultlab/core/memory/layout';
import { folio_get, folio_ref_count, folioTest, PG_dirty, PG_swapcache, setFolioSwapEntry } from '@faultlab/core/mm/folio';
import { folio_lock, folio_unlock } from '@faultlab/core/mm/folio_lock';
import { alloc_page, folio_put } from '@faultlab/core/mm/page_alloc';
import { swp_entry, swp_offset, swpSwap, xa_mk_value } from '@faultlab/core/mm/swap_entry';
import {
  folio_alloc_swap,
  folio_free_swap,
  folio_matches_swap_entry,
  free_swap_cache,
  swap_cache_add_folio,
  swap_cache_del_folio,
  swap_cache_get_folio,
} from '@faultlab/core/mm/swap_state';
import * as swapfile from '@faultlab/core/mm/swapfile';
import { assert, suite } from '@faultlab/test-support';
import { AREA, withSwap } from '../fixtures/swap.ts';
import { withCpu } from '../fixtures/with_cpu.ts';

const test = suite('mm/swapfile');

const SECOND: SwapId = 1 as SwapId;

/** Runs `body` with two areas on a device: the first of `slots` slots with its header, the second of as many as there is room for. */
function withAreas(
  slots: number,
  options: { readonly rotational?: boolean; readonly second?: number },
  body: (cpu: Cpu, other: Cpu) => void,
): void {
  withCpu({ size: { swaps: 2, swapSlots: 1200, devices: 1, deviceRequests: 4, deviceBlocks: 16, frames: 2000 } }, ({ cpu, other }) => {
    swapfile.swapon(cpu.memory, AREA, { device: 0, slots, rotational: options.rotational ?? false });
    if (options.second !== undefined) swapfile.swapon(cpu.memory, SECOND, { device: 0, slots: options.second });
    body(cpu, other());
  });
}

/** A folio with a slot. */
function cached(cpu: Cpu): { pfn: Pfn; entry: SwpEntry } {
  const pfn = alloc_page(cpu);
  folio_lock(cpu, pfn);
  assert.ok(folio_alloc_swap(cpu, pfn));
  folio_unlock(cpu, pfn);
  let entry = NO_SWAP_ENTRY;
  for (let area = 0; area < cpu.memory.size.swaps; area++) {
    for (let offset = 1; offset < swapfile.swapMax(cpu.memory, area as SwapId); offset++) {
      if (swapfile.slotSeen(cpu.memory, area as SwapId, offset).folio === pfn) entry = swp_entry(area, offset);
    }
  }
  return { pfn, entry };
}

function drop(cpu: Cpu, pfn: Pfn): void {
  folio_lock(cpu, pfn);
  swap_cache_del_folio(cpu, pfn);
  folio_unlock(cpu, pfn);
  folio_put(cpu, pfn);
}

test('slots are handed out one after the other, from 1; the header is never one of them', () =>
  withAreas(64, {}, (cpu) => {
    const got = Array.from({ length: 10 }, () => cached(cpu));
    assert.equal(
      got.map(({ entry }) => swp_offset(entry)),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    drop(cpu, (got[3] as { pfn: Pfn }).pfn);
    // A slot that was given back behind the cursor waits until the cluster is through.
    const next = cached(cpu);
    assert.is(swp_offset(next.entry), 11);
    for (const { pfn } of [...got.filter((_, at) => at !== 3), next]) drop(cpu, pfn);
  }));

test('each CPU fills a cluster of its own; on a rotational device all fill one', () => {
  for (const rotational of [false, true]) {
    withAreas(1200, { rotational }, (cpu, other) => {
      const mine = [cached(cpu), cached(cpu)];
      const yours = [cached(other), cached(other)];
      const offsets = (all: readonly { entry: SwpEntry }[]): number[] => all.map(({ entry }) => swp_offset(entry));
      assert.equal(offsets(mine), [1, 2]);
      assert.equal(offsets(yours), rotational ? [3, 4] : [512, 513]);
      for (const { pfn } of mine) drop(cpu, pfn);
      for (const { pfn } of yours) drop(other, pfn);
    });
  }
});

test('the second area is used when the first is full; when both are, there is no slot', () =>
  withAreas(4, { second: 3 }, (cpu) => {
    const got = Array.from({ length: 5 }, () => cached(cpu));
    assert.equal(
      got.map(({ entry }) => [swpSwap(entry), swp_offset(entry)]),
      [
        [0, 1],
        [0, 2],
        [0, 3],
        [1, 1],
        [1, 2],
      ],
    );
    assert.is(swapfile.get_nr_swap_pages(cpu.memory), 0);
    assert.ok(swapfile.vm_swap_full(cpu.memory));
    const pfn = alloc_page(cpu);
    folio_lock(cpu, pfn);
    assert.is(folio_alloc_swap(cpu, pfn), false);
    assert.is(folio_ref_count(cpu, pfn), 1);
    folio_unlock(cpu, pfn);
    folio_put(cpu, pfn);
    for (const { pfn: used } of got) drop(cpu, used);
    assert.is(swapfile.get_nr_swap_pages(cpu.memory), 5);
  }));

test('counts of 900 slots agree with a simple model through 4,000 random steps', () =>
  withAreas(900, {}, (cpu) => {
    const prng = new Prng(77, 1);
    const draw = (below: number): number => prng.next() % below;
    interface Slot {
      readonly entry: SwpEntry;
      readonly pfn: Pfn;
      count: number;
      inCache: boolean;
    }
    const model = new Map<SwpEntry, Slot>();
    const check = (slot: Slot): void => {
      const seen = swapfile.slotSeen(cpu.memory, AREA, swp_offset(slot.entry));
      assert.equal(seen, { count: slot.count, cached: slot.inCache, folio: slot.inCache ? slot.pfn : 0, shadow: 0 });
    };
    for (let step = 0; step < 4000; step++) {
      const slots = [...model.values()];
      const slot = slots[draw(Math.max(1, slots.length))];
      const what = draw(4);
      if (slot === undefined || (what === 0 && slots.length < 500)) {
        const { pfn, entry } = cached(cpu);
        assert.not.ok(model.has(entry), 'a slot in use was handed out again');
        model.set(entry, { entry, pfn, count: 0, inCache: true });
        continue;
      }
      if (what === 1) {
        swapfile.swap_duplicate(cpu, slot.entry);
        slot.count++;
      } else if (what === 2 && slot.count > 0) {
        assert.is(swapfile.swap_free(cpu, slot.entry), slot.count === 1 && slot.inCache);
        slot.count--;
      } else if (what === 3 && slot.inCache) {
        drop(cpu, slot.pfn);
        slot.inCache = false;
      }
      check(slot);
      if (slot.count === 0 && !slot.inCache) model.delete(slot.entry);
      assert.is(swapfile.swapInUse(cpu.memory, AREA), model.size);
    }
    for (const slot of model.values()) {
      while (slot.count-- > 0) swapfile.swap_free(cpu, slot.entry);
      if (slot.inCache) drop(cpu, slot.pfn);
    }
    assert.is(swapfile.swapInUse(cpu.memory, AREA), 0);
  }));

test('an entry is claimed once; a claimed slot is not free even without users', () =>
  withAreas(16, {}, (cpu) => {
    const { pfn, entry } = cached(cpu);
    assert.is(swapfile.swapcache_prepare(cpu, entry), ENOENT, 'nobody uses the slot');
    swapfile.swap_duplicate(cpu, entry);
    assert.is(swapfile.swapcache_prepare(cpu, entry), EEXIST, 'it is in the swap cache');
    drop(cpu, pfn);
    assert.is(swapfile.swapcache_prepare(cpu, entry), 0);
    assert.is(swapfile.swapcache_prepare(cpu, entry), EEXIST, 'it is claimed');
    const fresh = alloc_page(cpu);
    folio_lock(cpu, fresh);
    assert.is(swap_cache_add_folio(cpu, fresh, entry), EEXIST);
    assert.equal([folio_ref_count(cpu, fresh), folioTest(cpu, fresh, PG_swapcache)], [1, false]);
    swapfile.swap_free(cpu, entry);
    assert.is(swapfile.swapInUse(cpu.memory, AREA), 1);
    assert.is(swap_cache_add_folio(cpu, fresh, entry), ENOENT);
    swapfile.swapcache_clear(cpu, entry);
    assert.is(swapfile.swapInUse(cpu.memory, AREA), 0);
    folio_unlock(cpu, fresh);
    folio_put(cpu, fresh);
  }));

test('a folio leaves the swap cache when only the cache has its slot, and is dirty then', () =>
  withAreas(16, {}, (cpu) => {
    const { pfn, entry } = cached(cpu);
    folio_lock(cpu, pfn);
    swapfile.swap_duplicate(cpu, entry);
    assert.is(folio_free_swap(cpu, pfn), false);
    assert.ok(folio_matches_swap_entry(cpu, pfn, entry));
    swapfile.swap_free(cpu, entry);
    assert.is(folio_free_swap(cpu, pfn), true);
    assert.equal([folioTest(cpu, pfn, PG_dirty), folio_matches_swap_entry(cpu, pfn, entry)], [true, false]);
    folio_unlock(cpu, pfn);
    free_swap_cache(cpu, pfn); // Not in the swap cache any more: nothing to do.
    folio_put(cpu, pfn);
  }));

test('a lookup that finds a folio on its way out finds nothing, or what is there now', () =>
  withAreas(16, {}, (cpu, other) => {
    const { pfn, entry } = cached(cpu);
    swapfile.swap_duplicate(cpu, entry);
    const found = swap_cache_get_folio(other, entry);
    assert.is(found, pfn);
    folio_lock(cpu, pfn);
    swap_cache_del_folio(cpu, pfn);
    assert.is(swap_cache_get_folio(other, entry), 0);
    // The other CPU has its reference still; what it must not believe is that the page is the entry's.
    assert.is(folio_matches_swap_entry(other, found, entry), false);
    folio_unlock(cpu, pfn);
    folio_put(other, found);
    folio_put(cpu, pfn);
    swapfile.swap_free(cpu, entry);
  }));

const MISUSES: readonly (readonly [what: string, misuse: (cpu: Cpu, entry: SwpEntry, pfn: Pfn) => void, id: string])[] = [
  ['freeing a slot that no entry leads to', (cpu, entry) => void swapfile.swap_free(cpu, entry), 'I29'],
  ['one more user of a free slot', (cpu) => swapfile.swap_duplicate(cpu, swp_entry(0, 9)), 'I29'],
  ['giving up a claim that nobody has', (cpu) => swapfile.swapcache_clear(cpu, swp_entry(0, 9)), 'I29'],
  ['taking out a folio that is elsewhere', (cpu, entry, pfn) => swapfile.removeSwapTable(cpu, entry, (pfn + 1) as Pfn), 'I29'],
  [
    'changing the swap cache without the folio lock',
    (cpu, _entry, pfn) => {
      swap_cache_del_folio(cpu, pfn);
    },
    'I20',
  ],
];
for (const [what, misuse, id] of MISUSES) {
  test(`${what} is ${id}`, () => {
    let caught: unknown;
    try {
      withAreas(16, {}, (cpu) => {
        const { pfn, entry } = cached(cpu);
        misuse(cpu, entry, pfn);
      });
    } catch (error) {
      caught = error;
    }
    assert.ok(caught instanceof InvariantError && caught.message.includes(id), String(caught));
  });
}

const WRONG: readonly (readonly [setup: (cpu: Cpu) => void, message: RegExp])[] = [
  [(cpu) => swapfile.swapon(cpu.memory, 5 as SwapId, { device: 0 }), /Swap area 5 does not exist/],
  [(cpu) => swapfile.swapon(cpu.memory, AREA, { device: 0, slots: 1 }), /it must have from 2 to size\.swapSlots, which is 1200/],
  [(cpu) => swapfile.swapon(cpu.memory, AREA, { device: 3 }), /on device 3, but the memory is made for 1/],
];
test('a swap area that the machine has no room for is refused in a sentence', () =>
  withAreas(16, {}, (cpu) => {
    for (const [setup, message] of WRONG)
      assert.throws(
        () => setup(cpu),
        (error: Error) => error instanceof UsageError && message.test(error.message),
      );
  }));

/** What a sweep says after something in a machine with pages in swap and in the swap cache has been broken. */
function broken(what: (one: { cpu: Cpu; entry: SwpEntry; pfn: Pfn }) => () => void): string[] {
  let found: string[] = [];
  withSwap({}, (one) => {
    one.pageOut(one.first, 2);
    const entry = one.entryOf(one.first);
    const repair = what({ cpu: one.cpu, entry, pfn: one.cachedOf(one.first) });
    found = sweep(one.cpu).map(({ id, message }) => `${id}: ${message}`);
    repair();
  });
  return found;
}

test('I29: a slot that counts one entry too many is found', () => {
  const found = broken(({ cpu, entry }) => {
    swapfile.swap_duplicate(cpu, entry);
    return () => void swapfile.swap_free(cpu, entry);
  });
  assert.equal(found, ['I29: slot 1 of swap area 0 counts 2 entries, but 1 lead to it']);
});

test('I29: a free slot that remembers a page is found', () => {
  const found = broken(({ cpu }) => {
    const table = cpu.memory.swapSlotsAt + 9 * RECORD_WORDS.swapSlot + 1;
    cpu.words[table] = xa_mk_value(5);
    return () => {
      cpu.words[table] = 0;
    };
  });
  assert.equal(found, ['I29: slot 9 of swap area 0 is free, but remembers a page']);
});

test('I29: a folio in the swap cache that says that it is elsewhere is found', () => {
  const found = broken(({ cpu, entry, pfn }) => {
    setFolioSwapEntry(cpu.memory, pfn, swp_entry(0, 9));
    return () => setFolioSwapEntry(cpu.memory, pfn, entry);
  });
  assert.is(found.length, 2);
  assert.match(found[0] as string, /^I29: slot 1 of swap area 0 has frame \d+ in the swap cache, which says that it is elsewhere$/);
  assert.match(found[1] as string, /^I29: frame \d+ says that it is in the swap cache at entry 144, but it is not$/);
});

test('Q06: a claim that was forgotten is found', () => {
  const found = broken(({ cpu, entry, pfn }) => {
    folio_get(cpu, pfn);
    drop(cpu, pfn);
    assert.is(swapfile.swapcache_prepare(cpu, entry), 0);
    return () => swapfile.swapcache_clear(cpu, entry);
  });
  assert.equal(found, ['Q06: slot 1 of swap area 0 is claimed, but the swap cache has no folio there']);
});

test.run();

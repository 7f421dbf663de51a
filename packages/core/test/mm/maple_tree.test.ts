/** The tree of areas against a sorted list: stores of every shape, lookups in all directions, holes, and running out of nodes. */
import type { VmaId, Vpn } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import { rcu_barrier, rcuPending } from '@faultlab/core/locking/rcu';
import {
  __mt_destroy,
  MT_MAX,
  mas_destroy,
  mas_empty_area,
  mas_empty_area_rev,
  mas_find,
  mas_find_range,
  mas_preallocate,
  mas_store_prealloc,
  mas_walk,
  mt_for_each,
  mt_height,
  mt_next,
  mt_prev,
} from '@faultlab/core/mm/maple_tree';
import { NODE_CACHE } from '@faultlab/core/slab/caches';
import { cacheSlots, kmem_cache_alloc_bulk, kmem_cache_free_bulk, kmem_cache_in_use } from '@faultlab/core/slab/kmem_cache';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { type Area, areasIn, bootForTrees, checkTree, modelStore, spaced, store, treeCpu, treeOf } from './maple_model.ts';

const test = suite('mm/maple_tree');

const vpn = (value: number): Vpn => value as Vpn;

/** Areas of the prefilled tree and the pages that stores and lookups fall on: from one leaf to three levels. */
const FILLS = [0, 1, 8, 40, 400, 1200] as const;
const pagesOf = (fill: number): number => fill * 20 + 200;

const shape = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20_000 })),
  vma: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1 << 20 })),
  toEdge: fc.boolean(),
});
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

/** A store somewhere in the filled part; half of them start at the start of an area, where trees have their special cases. */
function areaOf({ at, length, vma, toEdge }: Shape, fill: number): Area {
  const pages = pagesOf(fill);
  const any = Math.floor(at * pages);
  const start = toEdge ? any - (any % 20) : any;
  return { start, end: Math.min(start + length, pages), vma };
}

function filled(fill: number): { cpu: Cpu; model: Area[] } {
  const cpu = treeCpu(bootForTrees(4000), 0);
  for (const area of spaced(fill)) store(cpu, area);
  return { cpu, model: spaced(fill) };
}

for (const fill of FILLS) {
  test(`stores of any shape into a tree of ${fill} areas leave what the list says`, () => {
    const check = (shapes: readonly Shape[]): void => {
      let { cpu, model } = filled(fill);
      for (const area of shapes.map((one) => areaOf(one, fill))) {
        store(cpu, area);
        model = modelStore(model, area);
        checkTree(cpu, model);
      }
      __mt_destroy(cpu, treeOf(cpu.memory));
      rcu_barrier(cpu);
      assert.is(kmem_cache_in_use(cpu.memory, NODE_CACHE), 0);
    };
    const numRuns = fill > 100 ? 25 : 100;
    fc.assert(fc.property(fc.array(shape, { size: 'medium', maxLength: 40 }), check), { numRuns });
  });

  test(`lookups in a tree of ${fill} areas find what the list says`, () => {
    const check = (shapes: readonly Shape[], probes: readonly number[]): void => {
      let { cpu, model } = filled(fill);
      for (const area of shapes.map((one) => areaOf(one, fill))) {
        store(cpu, area);
        model = modelStore(model, area);
      }
      const edges = model.slice(0, 40).flatMap(({ start, end }) => [start - 1, start, end - 1, end]);
      const anywhere = probes.map((at) => Math.floor(at * pagesOf(fill)));
      for (const page of [0, MT_MAX - 1, ...edges, ...anywhere]) checkLookups(cpu, model, page);
    };
    const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    const both = fc.property(fc.array(shape, { maxLength: 12 }), fc.array(at, { size: 'medium', maxLength: 40 }), check);
    fc.assert(both, { numRuns: 25 });
  });
}

function checkLookups(cpu: Cpu, model: readonly Area[], page: number): void {
  const tree = treeOf(cpu.memory);
  const vmaOf = (area: Area | undefined): number => area?.vma ?? 0;
  const above = model.find(({ end }) => end > page);
  assert.is(mas_walk(cpu, tree, vpn(page)), vmaOf(above !== undefined && above.start <= page ? above : undefined));
  assert.is(mas_find(cpu, tree, vpn(page)), vmaOf(above));
  assert.is(mt_next(cpu, tree, vpn(page)), vmaOf(model.find(({ start }) => start >= page)));
  assert.is(mt_prev(cpu, tree, vpn(page)), vmaOf(model.findLast(({ start }) => start < page)));
  const range = { vma: 0 as VmaId, start: vpn(0), end: vpn(0) };
  assert.is(mas_find_range(cpu, tree, vpn(page), range), above !== undefined);
  if (above !== undefined) assert.equal(range, { vma: above.vma, start: above.start, end: above.end });
}

test('pages outside the address space belong to nobody', () => {
  const { cpu } = filled(40);
  const tree = treeOf(cpu.memory);
  for (const page of [-1, MT_MAX, MT_MAX + 1]) assert.is(mas_walk(cpu, tree, vpn(page)), 0);
  assert.is(mas_find(cpu, tree, vpn(-5)), 1);
  assert.is(mt_prev(cpu, tree, vpn(MT_MAX + 1)), 40);
  assert.is(mt_prev(cpu, tree, vpn(0)), 0);
});

test('an area may begin with page 0 and end with the last page', () => {
  const cpu = treeCpu(bootForTrees(100), 0);
  store(cpu, { start: 0, end: MT_MAX, vma: 3 });
  checkTree(cpu, [{ start: 0, end: MT_MAX, vma: 3 }]);
  assert.is(mas_walk(cpu, treeOf(cpu.memory), vpn(MT_MAX - 1)), 3);
  assert.is(mas_empty_area(cpu, treeOf(cpu.memory), vpn(0), MT_MAX, 1), -1);
});

test('a visit of a part of the tree sees the areas that overlap it, and no others', () => {
  const { cpu, model } = filled(400);
  const check = (from: number, length: number): void => {
    const to = from + length;
    const seen: Area[] = [];
    mt_for_each(cpu, treeOf(cpu.memory), vpn(from), vpn(to), (vma, start, end) => void seen.push({ start, end, vma }));
    assert.equal(
      seen,
      model.filter(({ start, end }) => start < to && end > from),
    );
  };
  fc.assert(fc.property(fc.integer({ min: 0, max: 8200 }), fc.integer({ min: 1, max: 2000 }), check));
});

test('the holes found are the first and the last that brute force finds', () => {
  const span = 3000;
  const holes = fc.record({
    stores: fc.array(shape, { size: 'medium', maxLength: 30 }),
    min: fc.nat(span),
    length: fc.nat(span),
    size: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 600 })),
    align: fc.constantFrom(1, 1, 2, 16, 64),
    offset: fc.nat(15),
  });
  const check = ({ stores, min, length, size, align, offset }: typeof holes extends fc.Arbitrary<infer T> ? T : never): void => {
    const fill = 140;
    let { cpu, model } = filled(fill);
    for (const area of stores.map((one) => areaOf({ ...one, length: (one.length % 200) + 1 }, fill))) {
      store(cpu, area);
      model = modelStore(model, area);
    }
    const max = min + length;
    const fits: number[] = [];
    for (let start = min; start <= max - size; start++) {
      if (start % align !== offset % align) continue;
      if (!model.some((area) => area.start < start + size && area.end > start)) fits.push(start);
    }
    const tree = treeOf(cpu.memory);
    const want = [vpn(min), vpn(max), size, align, offset % align] as const;
    assert.is(mas_empty_area(cpu, tree, ...want), fits[0] ?? -1);
    assert.is(mas_empty_area_rev(cpu, tree, ...want), fits.at(-1) ?? -1);
  };
  fc.assert(fc.property(holes, check));
});

test('an empty tree is one hole', () => {
  const cpu = treeCpu(bootForTrees(100), 0);
  const tree = treeOf(cpu.memory);
  assert.is(mas_empty_area(cpu, tree, vpn(16), vpn(1 << 30), 5), 16);
  assert.is(mas_empty_area_rev(cpu, tree, vpn(16), vpn(1 << 30), 5, 4, 1), (1 << 30) - 7);
  assert.is(mas_find(cpu, tree, vpn(0)), 0);
  mt_for_each(cpu, tree, vpn(0), MT_MAX, () => assert.unreachable());
});

test('without nodes a reservation fails and changes nothing', () => {
  const { cpu, model } = filled(400);
  const { memory } = cpu;
  rcu_barrier(cpu);
  const taken: number[] = [];
  kmem_cache_alloc_bulk(cpu, NODE_CACHE, cacheSlots(memory, NODE_CACHE) - kmem_cache_in_use(memory, NODE_CACHE) - 2, taken);
  assert.not(mas_preallocate(cpu, treeOf(memory), 1));
  assert.is(cpu.nodeReserve.nodes.length, 0);
  kmem_cache_free_bulk(cpu, NODE_CACHE, taken);
  checkTree(cpu, model);
});

test('a reservation waits for nodes that a grace period will free', () => {
  const { cpu } = filled(400);
  const { memory } = cpu;
  const free = (): number => cacheSlots(memory, NODE_CACHE) - kmem_cache_in_use(memory, NODE_CACHE);
  assert.ok(rcuPending(cpu) > 20);
  const taken: number[] = [];
  kmem_cache_alloc_bulk(cpu, NODE_CACHE, free(), taken);
  assert.ok(mas_preallocate(cpu, treeOf(memory), 1));
  assert.is(rcuPending(cpu), 0);
  mas_destroy(cpu);
  kmem_cache_free_bulk(cpu, NODE_CACHE, taken);
});

test('one reservation serves all the stores it was made for, while the tree grows under them', () => {
  const check = (fill: number, count: number): void => {
    const { cpu } = filled(fill);
    const tree = treeOf(cpu.memory);
    let model: Area[] = spaced(fill);
    assert.ok(mas_preallocate(cpu, tree, count));
    for (let i = 0; i < count; i++) {
      const area = { start: 3 + ((i * 7919) % pagesOf(fill)), end: 0, vma: 9000 + i };
      area.end = area.start + 1;
      mas_store_prealloc(cpu, tree, vpn(area.start), vpn(area.end), area.vma as VmaId);
      model = modelStore(model, area);
    }
    checkTree(cpu, model);
    mas_destroy(cpu);
    checkTree(cpu, model);
  };
  fc.assert(fc.property(fc.nat(60), fc.integer({ min: 1, max: 60 }), check), { numRuns: 40 });
});

test('reservations for two trees add up', () => {
  const cpu = treeCpu(bootForTrees(400), 0);
  const tree = treeOf(cpu.memory);
  assert.ok(mas_preallocate(cpu, tree, 1));
  assert.ok(mas_preallocate(cpu, tree, 1));
  assert.is(cpu.nodeReserve.nodes.length, 6);
  mas_store_prealloc(cpu, tree, vpn(1), vpn(2), 1 as VmaId);
  assert.is(cpu.nodeReserve.promised, 3);
  assert.ok(mas_preallocate(cpu, tree, 1));
  assert.is(cpu.nodeReserve.nodes.length, 6);
  mas_destroy(cpu);
  assert.is(kmem_cache_in_use(cpu.memory, NODE_CACHE), 1);
});

test('a store without a reservation is a broken caller', () => {
  const cpu = treeCpu(bootForTrees(100), 0);
  const storing = (): void => mas_store_prealloc(cpu, treeOf(cpu.memory), vpn(1), vpn(2), 1 as VmaId);
  assert.throws(storing, (error: Error) => error instanceof InvariantError);
});

test('100,000 areas need four levels, and are found again', () => {
  const count = 100_000;
  const cpu = treeCpu(bootForTrees(count), 0, { verify: false });
  const tree = treeOf(cpu.memory);
  const step = 61_007; // prime to the count: every area once, in a scattered order
  for (let i = 0; i < count; i++) {
    const vma = ((i * step) % count) + 1;
    store(cpu, { start: vma * 20, end: vma * 20 + 10, vma });
    if (i % 500 === 0) rcu_barrier(cpu);
  }
  assert.is(mt_height(cpu, tree), 4);
  for (let vma = 1; vma <= count; vma++) {
    if (mas_walk(cpu, tree, vpn(vma * 20 + 9)) !== vma || mas_walk(cpu, tree, vpn(vma * 20 + 10)) !== 0) assert.unreachable(`area ${vma}`);
  }
  store(cpu, { start: 1000, end: count * 20 - 1000, vma: 0 });
  rcu_barrier(cpu);
  assert.ok(areasIn(cpu).length < 110);
});

test.run();

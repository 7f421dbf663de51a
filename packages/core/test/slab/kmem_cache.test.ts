/** Slot pools against a model, their refusals, and many threads on one pool. */

import type { CpuId } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import { Cpu } from '@faultlab/core/cpu';
import { RECORD_WORDS } from '@faultlab/core/memory/layout';
import { LOCKS_ONLY_SIZE, type MachineSize } from '@faultlab/core/memory/limits';
import { createMemory, type MemoryHandle, type SharedMemory } from '@faultlab/core/memory/shared_memory';
import { cachePlaces, MM_CACHE, VMA_CACHE, XA_NODE_CACHE } from '@faultlab/core/slab/caches';
import {
  cacheSlots,
  isAllocated,
  kmem_cache_alloc,
  kmem_cache_alloc_bulk,
  kmem_cache_free,
  kmem_cache_free_bulk,
  kmem_cache_in_use,
  kmem_cache_init,
  slotGeneration,
} from '@faultlab/core/slab/kmem_cache';
import { assert, runThreads, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import type { CacheThread, CacheThreadResult } from './kmem_cache.worker.ts';

const test = suite('slab/kmem_cache');

const SLOTS = 20;
const SIZE: MachineSize = { ...LOCKS_ONLY_SIZE, cpus: 4, mms: 3, vmas: SLOTS, xaNodes: 5 };

function boot(size: MachineSize = SIZE): { memory: SharedMemory; cpu: Cpu } {
  const memory = createMemory(size);
  kmem_cache_init(memory);
  return { memory, cpu: new Cpu({ id: 0 as CpuId, memory, now: () => 0 }) };
}

type Step =
  | { readonly kind: 'alloc' }
  | { readonly kind: 'bulk'; readonly count: number }
  | { readonly kind: 'free'; readonly pick: number };

const steps = fc.array(
  fc.oneof(
    fc.constant<Step>({ kind: 'alloc' }),
    fc.record({ kind: fc.constant('bulk' as const), count: fc.integer({ min: 0, max: SLOTS + 1 }) }),
    fc.record({ kind: fc.constant('free' as const), pick: fc.nat() }),
  ),
  { size: 'medium', maxLength: 80 },
);

test('a pool hands out what was freed last, then slots never used, then nothing', () => {
  const check = (list: readonly Step[]): void => {
    const { memory, cpu } = boot();
    const freed: number[] = [];
    const live: number[] = [];
    let fresh = 1;
    const take = (): number => freed.pop() ?? (fresh <= SLOTS ? fresh++ : 0);
    for (const step of list) {
      if (step.kind === 'alloc') {
        const expected = take();
        assert.is(kmem_cache_alloc(cpu, VMA_CACHE), expected);
        if (expected !== 0) live.push(expected);
      } else if (step.kind === 'bulk') {
        const out: number[] = [];
        const fits = live.length + step.count <= SLOTS;
        assert.is(kmem_cache_alloc_bulk(cpu, VMA_CACHE, step.count, out), fits);
        assert.equal(out, fits ? Array.from({ length: step.count }, take) : []);
        live.push(...out);
      } else if (live.length > 0) {
        const [slot] = live.splice(step.pick % live.length, 1) as [number];
        kmem_cache_free(cpu, VMA_CACHE, slot);
        freed.push(slot);
      }
      assert.is(kmem_cache_in_use(memory, VMA_CACHE), live.length);
      for (let slot = 1; slot <= SLOTS; slot++) assert.is(isAllocated(memory, VMA_CACHE, slot), live.includes(slot));
    }
  };
  fc.assert(fc.property(steps, check));
});

test('slots freed together come back in the order of the list', () => {
  const { cpu } = boot();
  const out: number[] = [];
  kmem_cache_alloc_bulk(cpu, VMA_CACHE, 5, out);
  kmem_cache_free_bulk(cpu, VMA_CACHE, [4, 2, 5]);
  assert.equal(
    [1, 2, 3].map(() => kmem_cache_alloc(cpu, VMA_CACHE)),
    [4, 2, 5],
  );
});

test('the generation of a slot moves on at every alloc and free, and is odd in between', () => {
  const { memory, cpu } = boot();
  const seen = [slotGeneration(memory, MM_CACHE, 1)];
  for (let i = 0; i < 2; i++) {
    kmem_cache_alloc(cpu, MM_CACHE);
    seen.push(slotGeneration(memory, MM_CACHE, 1));
    kmem_cache_free(cpu, MM_CACHE, 1);
    seen.push(slotGeneration(memory, MM_CACHE, 1));
  }
  assert.equal(seen, [0, 1, 2, 3, 4]);
  assert.is(slotGeneration(memory, MM_CACHE, 0), 0);
  assert.is(slotGeneration(memory, MM_CACHE, 99), 0);
});

function refuses(what: string, message: RegExp, body: (cpu: Cpu) => void): void {
  test(what, () => {
    const { cpu } = boot();
    assert.is(kmem_cache_alloc(cpu, VMA_CACHE), 1);
    assert.throws(
      () => body(cpu),
      (error: Error) => error instanceof InvariantError && message.test(error.message),
    );
  });
}

refuses('a slot freed twice is noticed', /free already/, (cpu) => {
  kmem_cache_free(cpu, VMA_CACHE, 1);
  kmem_cache_free(cpu, VMA_CACHE, 1);
});
refuses('a slot freed but never handed out is noticed', /free already/, (cpu) => kmem_cache_free(cpu, VMA_CACHE, 2));
refuses('slot 0 cannot be freed', /no such slot/, (cpu) => kmem_cache_free(cpu, VMA_CACHE, 0));
refuses('a slot beyond the pool cannot be freed', /no such slot/, (cpu) => kmem_cache_free(cpu, VMA_CACHE, SLOTS + 1));
refuses('pools cannot be prepared twice', /prepared already/, (cpu) => kmem_cache_init(cpu.memory));

test('the pools of a machine lie side by side and fill the region', () => {
  const counts = fc.record({
    mms: fc.nat(9),
    vmas: fc.nat(99),
    tables: fc.nat(9),
    anonVmas: fc.nat(9),
    avcs: fc.nat(9),
    xaNodes: fc.nat(9),
  });
  const check = (some: Partial<MachineSize>): void => {
    const { memory } = boot({ ...SIZE, ...some });
    const places = cachePlaces(memory.size).filter(({ slots }) => slots > 0);
    places.forEach(({ cache, firstWord, slots }, i) => {
      assert.is(cacheSlots(memory, cache), slots);
      const end = firstWord + (slots + 1) * RECORD_WORDS.slot;
      const region = memory.layout.regions.slots;
      assert.is(places[i + 1]?.firstWord ?? region.base + region.words, end);
    });
  };
  fc.assert(fc.property(counts, check));
});

test('a pool without slots is always exhausted', () => {
  const { cpu } = boot({ ...SIZE, xaNodes: 0 });
  assert.is(kmem_cache_alloc(cpu, XA_NODE_CACHE), 0);
});

test('no slot has two owners on four threads', async () => {
  const memory = createMemory({ ...SIZE, userWords: 256 });
  kmem_cache_init(memory);
  const handle: MemoryHandle = memory.handle;
  const results = await runThreads<CacheThreadResult, CacheThread>({
    module: new URL('./kmem_cache.worker.js', import.meta.url),
    count: 4,
    data: (index) => ({ handle, index, rounds: 4000, slots: SLOTS }),
  });
  assert.is(
    results.reduce((sum, { stolen }) => sum + stolen, 0),
    0,
  );
  assert.ok(results.every(({ taken }) => taken > 0));
  assert.is(kmem_cache_in_use(memory, VMA_CACHE), 0);
});

test.run();

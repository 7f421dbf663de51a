/** The tree of a file's pages against a Map, for small indices, for those at the edge of a level and for the largest. */

import type { CpuId, Word } from '@faultlab/core/base/brand';
import { cpuOnline, createCpu, createMachineMemory } from '@faultlab/core/boot';
import type { Cpu } from '@faultlab/core/cpu';
import { createFile, pagesRoot } from '@faultlab/core/mm/address_space';
import { XA_NOT_FOUND, xa_destroy, xa_find, xa_for_each, xa_load, xa_store, xaNodes } from '@faultlab/core/mm/xarray';
import { assert, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { SMALL_SIZE } from '../fixtures/with_cpu.ts';

const test = suite('mm/xarray');
const INDEX_MAX = 2 ** 31 - 1;

function newTree(): { readonly cpu: Cpu; readonly root: Word } {
  const memory = createMachineMemory({ ...SMALL_SIZE, cpus: 1, xaNodes: 1024 });
  const cpu = createCpu({ id: 0 as CpuId, memory, now: () => 0 });
  cpuOnline(cpu);
  return { cpu, root: pagesRoot(memory, createFile(cpu, { pages: 1 })) };
}

/** Any index, and often one beside a power of 64, where a level of the tree begins. */
const anIndex = fc.oneof(
  fc.nat(70),
  fc.nat(INDEX_MAX),
  fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -2, max: 2 })).map(([level, beside]) => 64 ** level + beside),
  fc.integer({ min: INDEX_MAX - 70, max: INDEX_MAX }),
);
const aStore = fc.tuple(anIndex, fc.integer({ min: 0, max: 9 }));

const sorted = (model: ReadonlyMap<number, number>): [number, number][] => [...model].sort(([a], [b]) => a - b);

test('finds what a Map finds: loads, the next entry up to a limit, and a walk in order', () => {
  fc.assert(
    fc.property(fc.array(aStore, { maxLength: 40 }), fc.array(fc.tuple(anIndex, anIndex), { maxLength: 20 }), (stores, questions) => {
      const { cpu, root } = newTree();
      const model = new Map<number, number>();
      for (const [index, entry] of stores) {
        assert.ok(xa_store(cpu, root, index, entry));
        if (entry === 0) model.delete(index);
        else model.set(index, entry);
      }
      for (const [index] of [...stores, ...questions]) assert.is(xa_load(cpu, root, index), model.get(index) ?? 0, `load ${index}`);
      for (const [from, to] of questions) {
        const next = sorted(model).find(([index]) => index >= from && index <= to);
        assert.is(xa_find(cpu, root, from, to), next?.[0] ?? XA_NOT_FOUND, `find ${from} to ${to}`);
      }
      const walked: [number, number][] = [];
      xa_for_each(cpu, root, (index, entry) => walked.push([index, entry]));
      assert.equal(walked, sorted(model));
    }),
    { numRuns: 150 },
  );
});

test('nodes that are out leave the tree as it was, and all come back in the end', () => {
  const { cpu, root } = newTree();
  const stored: number[] = [];
  for (let index = 0; index <= INDEX_MAX; index += 1 << 20) {
    if (!xa_store(cpu, root, index, 7)) break;
    stored.push(index);
  }
  assert.ok(stored.length > 100 && xaNodes(cpu.memory, root).length > 900, `${stored.length} entries`);
  const walked: number[] = [];
  xa_for_each(cpu, root, (index) => walked.push(index));
  assert.equal(walked, stored);
  xa_destroy(cpu, root);
  for (const index of stored.slice(0, 100)) assert.ok(xa_store(cpu, root, index, 7));
});

test.run();

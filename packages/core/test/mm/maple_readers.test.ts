/**
 * Lockless readers against stores: a reader sees the tree before a store or after it, and never a freed node.
 * The interleavings are forced by the gate of a Cpu, which is called before each of its protocol operations: what the other CPU does there
 * happens exactly there. One test lets real threads race.
 */
import type { VmaId, Vpn } from '@faultlab/core/base/brand';
import { InvariantError } from '@faultlab/core/base/errors';
import type { Cpu } from '@faultlab/core/cpu';
import {
  rcu_barrier,
  rcu_idle_enter,
  rcu_idle_exit,
  rcu_process_callbacks,
  rcu_read_lock,
  rcu_read_unlock,
} from '@faultlab/core/locking/rcu';
import { H_RCU_GP_SEQ } from '@faultlab/core/memory/header';
import { PARK_TIMED_OUT, STEP_READ, type StepGate } from '@faultlab/core/memory/step_gate';
import { mas_destroy, mas_preallocate, mas_store_prealloc, mas_walk, mt_validate } from '@faultlab/core/mm/maple_tree';
import { NODE_CACHE } from '@faultlab/core/slab/caches';
import { kmem_cache_in_use } from '@faultlab/core/slab/kmem_cache';
import { AFTER_TREE_STORE } from '@faultlab/core/trace/points';
import { assert, runThreads, suite } from '@faultlab/test-support';
import fc from 'fast-check';
import { type Area, areasIn, bootForTrees, modelStore, spaced, store, treeCpu, treeOf } from './maple_model.ts';
import { BLOCKS, permanentOf, type TreeThread, type TreeThreadResult } from './maple_readers.worker.ts';

const test = suite('mm/maple_readers');

/** Calls `before` ahead of every protocol operation of a CPU; parks end at once. */
const gateThat = (before: StepGate['step']): StepGate => ({ step: before, park: () => PARK_TIMED_OUT, unpark: () => 0 });

test('at every step of a store the tree is the one before or the one after, and one store makes the change', () => {
  const stores = fc.record({ start: fc.nat(4000), length: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.nat(3000)), vma: fc.nat(1) });
  const check = (fill: number, list: readonly { start: number; length: number; vma: number }[]): void => {
    const memory = bootForTrees(1000);
    const reader = treeCpu(memory, 1);
    let published = 0;
    let expected: Area[] = [];
    let steps = 0;
    const look = (): void => {
      if (steps++ % 3 === 0) assert.equal(areasIn(reader), expected);
    };
    let after: Area[] = [];
    const points = {
      at: (point: number): void => {
        if (point === AFTER_TREE_STORE) {
          published++;
          expected = after;
        }
        assert.equal(areasIn(reader), expected);
      },
    };
    const quiet = treeCpu(memory, 0);
    for (const area of spaced(fill)) store(quiet, area);
    expected = spaced(fill);
    const writer = treeCpu(memory, 0, { points, gate: gateThat(look) });
    list.forEach(({ start, length, vma }, i) => {
      const area = { start, end: start + length + 1, vma: vma === 0 ? 0 : 5000 + i };
      after = modelStore(expected, area);
      const changes = vma !== 0 || JSON.stringify(after) !== JSON.stringify(expected);
      published = 0;
      store(writer, area);
      assert.is(published, changes ? 1 : 0);
    });
    assert.equal(mt_validate(reader, treeOf(memory)), []);
  };
  fc.assert(fc.property(fc.constantFrom(0, 20, 200), fc.array(stores, { maxLength: 6 }), check), { numRuns: 40 });
});

/** Runs `meanwhile` while the reader is between the root and the leaf of a walk to `page`: it knows the way, and has not taken it. */
function walkWith(memory: ReturnType<typeof bootForTrees>, page: number, meanwhile: () => void): number {
  let reads = 0;
  const gate = gateThat((_, kind) => {
    // The first read is the root, the second the child that leads to the leaf. The reader holds its node while the other CPU runs.
    if (kind === STEP_READ && ++reads === 2) meanwhile();
  });
  const reader = treeCpu(memory, 1, { gate });
  rcu_read_lock(reader);
  const found = mas_walk(reader, treeOf(memory), page as Vpn);
  rcu_read_unlock(reader);
  return found;
}

/** Replaces every node of the tree, the root included. */
function replaceAll(writer: Cpu): void {
  const tree = treeOf(writer.memory);
  for (const vma of [0, 7]) {
    assert.ok(mas_preallocate(writer, tree, 1));
    mas_store_prealloc(writer, tree, 0 as Vpn, 4000 as Vpn, vma as VmaId);
    mas_destroy(writer);
  }
}

function twoLevels(): { memory: ReturnType<typeof bootForTrees>; writer: Cpu } {
  const memory = bootForTrees(1000);
  const writer = treeCpu(memory, 0);
  for (const area of spaced(200)) store(writer, area);
  rcu_barrier(writer);
  return { memory, writer };
}

test('a reader in a tree that is replaced under it finds what was there, for its nodes outlive its read section', () => {
  const { memory, writer } = twoLevels();
  const nodes = kmem_cache_in_use(memory, NODE_CACHE);
  rcu_idle_exit(treeCpu(memory, 1)); // CPU 1 is online: no grace period ends without it
  const found = walkWith(memory, 1005, () => {
    replaceAll(writer);
    for (let i = 0; i < 10; i++) rcu_process_callbacks(writer);
  });
  assert.is(found, 51);
  assert.ok(kmem_cache_in_use(memory, NODE_CACHE) > nodes, 'the replaced nodes are still allocated');
  rcu_idle_enter(treeCpu(memory, 1));
  rcu_barrier(writer);
  assert.is(kmem_cache_in_use(memory, NODE_CACHE), 1);
});

function noticed(what: string, meanwhile: (writer: Cpu) => void): void {
  test(what, () => {
    const { memory, writer } = twoLevels();
    rcu_idle_exit(treeCpu(memory, 1));
    const walk = (): number => walkWith(memory, 1005, () => meanwhile(writer));
    assert.throws(walk, (error: Error) => error instanceof InvariantError && error.id === 'I28');
  });
}

/** A planted break: grace periods end although CPU 1 has reported none of them. */
function endPeriodsWithoutReaders(cpu: Cpu): void {
  for (let i = 0; i < 4; i++) {
    cpu.words[H_RCU_GP_SEQ] = (cpu.words[H_RCU_GP_SEQ] as number) + 2;
    rcu_process_callbacks(cpu);
  }
}

noticed('a node freed at once, without a grace period, is noticed by the reader in it (I28)', (writer) => {
  replaceAll(writer);
  endPeriodsWithoutReaders(writer);
});

noticed('a node freed at once and used again for another part of the tree is noticed too (I28)', (writer) => {
  replaceAll(writer);
  endPeriodsWithoutReaders(writer);
  for (const area of spaced(150)) store(writer, area);
});

test('readers on real threads always find the areas that stay, and only areas that cover the page', async () => {
  const memory = bootForTrees(4000, 3);
  const { handle } = memory;
  const quiet = treeCpu(memory, 0);
  for (let block = 0; block < BLOCKS; block++) store(quiet, permanentOf(block));
  rcu_barrier(quiet);
  const results = await runThreads<TreeThreadResult, TreeThread>({
    module: new URL('./maple_readers.worker.js', import.meta.url),
    count: 3,
    data: (index) => ({ handle, index, stores: 8000 }),
  });
  const sum = (of: (result: TreeThreadResult) => number): number => results.reduce((total, result) => total + of(result), 0);
  assert.is(
    sum(({ missed }) => missed),
    0,
    'an area that was never removed was not found',
  );
  assert.is(
    sum(({ wrong }) => wrong),
    0,
    'an area was found that never covered the page',
  );
  assert.ok(results.slice(1).every(({ looks }) => looks > 1000));
  assert.equal(mt_validate(quiet, treeOf(memory)), []);
});

test.run();

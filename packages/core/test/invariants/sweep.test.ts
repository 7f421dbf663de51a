/** A right machine has no violation: with live address spaces, after they ended, and after thousands of random operations. */

import type { CpuId, Pfn } from '@faultlab/core/base/brand';
import { createCpu } from '@faultlab/core/boot';
import { sweep } from '@faultlab/core/invariants/sweep';
import { rcu_barrier } from '@faultlab/core/locking/rcu';
import { LOCKS_ONLY_SIZE } from '@faultlab/core/memory/limits';
import { createMemory } from '@faultlab/core/memory/shared_memory';
import { folio_mapcount, folio_test_anon } from '@faultlab/core/mm/folio';
import { rmap_walk_anon } from '@faultlab/core/mm/rmap';
import { assert, suite } from '@faultlab/test-support';
import { RandomOps } from './random_ops.ts';
import { ALL_POLICIES, assertAllBack, assertSound, dissolve, world } from './world.ts';

const ROUNDS = 8;
const OPS_PER_ROUND = 400;

const test = suite('invariants/sweep');

for (const policy of ALL_POLICIES) {
  test(`two processes and a file at rest under ${policy.name} break nothing, and leave nothing behind`, () => {
    const machine = world(policy);
    assertSound(machine.cpu);
    dissolve(machine);
    assertSound(machine.cpu, 'after the end');
    assertAllBack(machine.m);
  });
}

for (const [position, policy] of ALL_POLICIES.entries()) {
  test(`random operations under ${policy.name} break nothing, and leave nothing behind`, () => {
    const machine = world(policy);
    const ops = new RandomOps(machine, 4711 + position);
    for (let round = 0; round < ROUNDS; round++) {
      for (let i = 0; i < OPS_PER_ROUND; i++) ops.step();
      rcu_barrier(machine.cpu);
      assertSound(machine.cpu, `after ${(round + 1) * OPS_PER_ROUND} operations`);
    }
    ops.end();
    dissolve(machine);
    assertSound(machine.cpu, 'after the end');
    assertAllBack(machine.m);
  });
}

test('the reverse walk of every anonymous page finds as many entries as the page counts', () => {
  const machine = world();
  const ops = new RandomOps(machine, 99);
  for (let i = 0; i < 1000; i++) ops.step();
  const { cpu, m } = machine;
  let walked = 0;
  for (let pfn = 1 as Pfn; pfn < m.size.frames; pfn++) {
    if (folio_mapcount(cpu, pfn) === 0 || !folio_test_anon(cpu, pfn)) continue;
    let hits = 0;
    rmap_walk_anon(cpu, pfn, () => ++hits > 0);
    assert.is(hits, folio_mapcount(cpu, pfn), `frame ${pfn}`);
    walked++;
  }
  assert.ok(walked > 50, `${walked} pages`);
});

test('a machine without memory management is swept too', () => {
  const cpu = createCpu({ id: 0 as CpuId, memory: createMemory(LOCKS_ONLY_SIZE), now: () => 0 });
  assert.equal(sweep(cpu), []);
});

test.run();

/** One fault of each kind under every policy: nothing breaks, and the counts say what the policies promise. */
import type { FaultPolicy } from '@faultlab/core/policy/fault_policy';
import { POLICIES, policyByName } from '@faultlab/core/policy/policies';
import { assert, suite } from '@faultlab/test-support';
import { FAULT_KINDS } from '@faultlab/workers/fault_kinds/by_name';
import { lockTables } from '@faultlab/workers/fault_kinds/lock_table';
import { type FaultCounts, measureKind } from '@faultlab/workers/fault_kinds/measure';
import type { OneThreadMachine } from '@faultlab/workers/fault_kinds/one_thread_machine';

const test = suite('fault_kinds');

/** Measured with every check on; a machine that is broken afterwards fails the test. */
function checked(policy: FaultPolicy): FaultCounts[] {
  return FAULT_KINDS.map((kind) => {
    let violations: string[] = ['the fault did not end'];
    const finish = (machine: OneThreadMachine): void => {
      violations = machine.violations();
    };
    const counts = measureKind(policy, kind, { verify: true, finish });
    assert.equal(violations, [], `${policy.name}: ${kind.name}`);
    return counts;
  });
}

const measured = new Map<string, FaultCounts[]>();
const countsOf = (name: string): FaultCounts[] => {
  const known = measured.get(name) ?? checked(policyByName(name));
  measured.set(name, known);
  return known;
};

for (const { name } of POLICIES) {
  test(`${name}: one fault of each kind breaks nothing, and counts the same twice`, () => {
    assert.equal(checked(policyByName(name)), countsOf(name));
  });
}

test('without per-VMA locks every fault takes mmap_lock, once for each attempt', () => {
  for (const name of ['linux-5.4', 'linux-5.7', 'linux-6.0']) {
    for (const { kind, mmapRead, mmapWrite, vmaAttempts, mmapAttempts } of countsOf(name)) {
      assert.is(vmaAttempts, 0, kind);
      assert.is(mmapRead, mmapAttempts, kind);
      assert.ok(mmapRead > 0 || mmapWrite > 0, kind);
    }
  }
});

test('a fault that waits for a page of a file: who holds what meanwhile', () => {
  const waits = (policy: string): readonly string[] =>
    countsOf(policy).find(({ kind }) => kind === 'file: read, absent, read ahead')?.waits ?? [];
  for (const name of ['linux-5.7', 'linux-6.12', 'linux-6.18', 'retry-vma', 'reacquire', 'split-flags'])
    assert.equal(waits(name), ['none'], name);
  for (const name of ['hold', 'hold-file']) assert.equal(waits(name), ['vma'], name);
});

test('a fault of shmem waits for a page with its lock, and for the end of a punch without, unless the policy holds', () => {
  for (const name of ['linux-6.18', 'retry-vma', 'hold']) {
    const waits = (wanted: string): readonly string[] => countsOf(name).find(({ kind }) => kind === wanted)?.waits ?? [];
    assert.equal(waits('shmem: write, locked by another'), ['vma'], name);
    assert.equal(waits('shmem: read, hole that is being punched'), [name === 'hold' ? 'vma' : 'none'], name);
  }
});

test('a proposal never takes mmap_lock more often than the reference, and often less', () => {
  const reference = countsOf('linux-6.18');
  let fewer = 0;
  for (const name of ['retry-vma', 'hold', 'reacquire', 'split-flags']) {
    countsOf(name).forEach(({ kind, mmapRead }, row) => {
      const before = reference[row]?.mmapRead ?? 0;
      assert.ok(mmapRead <= before, `${name}: ${kind}`);
      if (mmapRead < before) fewer++;
    });
  }
  assert.ok(fewer > 10);
});

test('the tables have a row for each kind and a column for each policy', () => {
  const all = POLICIES.slice(0, 3).map((policy) => ({ policy, counts: countsOf(policy.name) }));
  const [locks, attempts] = lockTables(all);
  for (const table of [locks, attempts]) {
    assert.is(table?.header.length, 4);
    assert.equal(
      table?.rows.map(([kind]) => kind),
      FAULT_KINDS.map(({ name }) => name),
    );
  }
});

test.run();

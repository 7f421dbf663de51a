/** The order of locks as text, and what two CPUs do with a wrong one. */
import { LOCK_FOLIO, LOCK_I_MMAP } from '@faultlab/core/locking/lock_class';
import { assert, suite } from '@faultlab/test-support';
import { OP_MUNMAP } from '@faultlab/workers/program/op';
import { lockOrderTable, scenarioBox } from '@faultlab/workers/report/lock_order';
import { runScenario } from '@faultlab/workers/run_scenario';

const test = suite('report/lock_order');

test('a pair of classes is a row, with who was the first', () => {
  assert.equal(lockOrderTable([{ held: LOCK_FOLIO, taken: LOCK_I_MMAP, cpu: 1, opKind: OP_MUNMAP }]), [
    'Lock order seen (sleeping locks)',
    'held   then taken  first by',
    'folio  i_mmap      munmap on CPU 1',
  ]);
  assert.equal(lockOrderTable([]), []);
});

test('a wrong order is shown as the two CPUs that it can stop', () => {
  assert.equal(scenarioBox({ wanted: 'folio', held: 'anon_vma' }), [
    'What this order can lead to:',
    '  CPU A (this order was found)   CPU B (the right order)',
    '  lock(anon_vma)',
    '                                 lock(folio)',
    '                                 lock(anon_vma)   waits for CPU A',
    '  lock(folio)   waits for CPU B',
    '  Both wait for ever: a deadlock.',
  ]);
  assert.equal(scenarioBox({ wanted: 'mutex', held: 'mutex' }), []);
});

test(
  'a run that verifies knows its lock order, another one does not',
  async () => {
    const verified = await runScenario('fork_cow', { cpus: 2, count: 300, verify: true });
    assert.is(verified.verdict, 'success');
    assert.ok(verified.lockOrder.length > 0);
    const plain = await runScenario('fork_cow', { cpus: 2, count: 300, verify: false });
    assert.equal(plain.lockOrder, []);
  },
  { deadlineMs: 60_000 },
);

test.run();

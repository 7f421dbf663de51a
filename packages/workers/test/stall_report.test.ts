/**
 * Reports of who holds and who waits for what: names of words, circles, tables.
 */

import { layoutOf, RECORD_WORDS } from '@faultlab/core/memory/layout';
import { DEFAULT_SIZE } from '@faultlab/core/memory/limits';
import { assert, suite } from '@faultlab/test-support';
import { type CpuState, waitCycle } from '@faultlab/workers/machine_state';
import { stallReport } from '@faultlab/workers/stall_report';
import { lockName, recordName } from '@faultlab/workers/word_names';

const test = suite('stall report');

const state = (cpu: number, blockedBy: readonly number[]): CpuState => ({
  cpu,
  run: 'parked',
  progress: 1,
  op: `op ${cpu}`,
  mm: 1,
  faultPage: undefined,
  held: [{ word: cpu, name: `lock ${cpu}`, mode: 'write' }],
  waits: { kind: 'rwsem (write)', word: 1, name: `lock ${blockedBy[0] ?? 'x'}`, sinceMs: 12 },
  blockedBy,
});

const cycles: readonly (readonly [string, readonly (readonly number[])[], number[] | undefined])[] = [
  ['nobody waits', [[], [], []], undefined],
  ['a chain', [[1], [2], []], undefined],
  ['two wait for each other', [[1], [0], []], [0, 1, 0]],
  ['a circle behind a chain', [[1], [2], [3], [1]], [1, 2, 3, 1]],
  ['several holders', [[1, 2], [], [0]], [0, 2, 0]],
];
for (const [name, blocked, expected] of cycles) {
  test(`the circle of '${name}' is ${JSON.stringify(expected ?? 'none')}`, () => {
    assert.equal(waitCycle(blocked.map((holders, cpu) => state(cpu, holders))), expected);
  });
}

test('a report names the guilty, the table and the circle', () => {
  const text = stallReport([state(0, [1]), state(1, [0])], [0, 1], 500);
  assert.match(text, /^CPUs 0, 1 have made no progress for 500 ms\.\n/);
  assert.match(text, /0 {2}parked {2}op 0 {7}lock 0 \(write\) {2}rwsem \(write\) of lock 1 for 12 ms, held by CPU 1/);
  assert.match(text, /They wait for each other:\n {2}CPU 0 waits for lock 1, which CPU 1 holds/);
});

test('words are named by the record that they lie in', () => {
  const layout = layoutOf({ ...DEFAULT_SIZE, cpus: 2 });
  const { mms, vmas, percpu, user } = layout.regions;
  assert.is(lockName(layout, 'mmap_lock', mms.base + 3 * 128), 'mmap_lock of mm 3');
  assert.is(lockName(layout, 'vma', vmas.base + 17 * 64 + 5), 'vma 17');
  assert.is(recordName(layout, percpu.base + RECORD_WORDS.percpu), 'CPU 1');
  assert.is(recordName(layout, layout.regions.userfaultfds.base + 64 * 3 + 9), 'userfaultfd 3');
  assert.is(recordName(layout, user.base + 9), 'user word 9');
  assert.is(recordName(layout, 33), 'the start gate');
});

test.run();

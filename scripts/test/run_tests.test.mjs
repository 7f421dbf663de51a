/** The runner against files that are wrong on purpose: each must be reported, for the stated reason. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import { runTestFile } from '../lib/run_test_file.mjs';
import { findTests } from '../lib/test_files.mjs';

const test = suite('run_tests');
const trap = (name) => fileURLToPath(new URL(`./traps/${name}.mjs`, import.meta.url));
const judge = (name, maySkip = false) => runTestFile({ path: trap(name) }, { deadlineMs: 4_000, maySkip, endGraceMs: 300 });

test('a good file is green', async () => {
  const { reason, passed, total } = await judge('good');
  assert.equal({ reason, passed, total }, { reason: '', passed: 1, total: 1 });
});

const bad = [
  ['failing_test', /^ended with exit code 1$/, /fails as it should/],
  ['throws_non_error', /^only 0 of 1 passed/],
  ['forgotten_run', /is the \.run\(\) at the end missing/],
  ['no_test', /^ran no test$/],
  ['before_throws', /^only 0 of 1 passed.*a hook threw/],
  ['after_each_throws', /^only 0 of 1 passed.*a hook threw/],
  ['left_over_only', /^1 skipped .*left-over \.only/],
  ['hangs', /^killed: it was not finished after 4000 ms$/],
  ['live_worker', /^killed: its process did not end within 300 ms of its last test/],
  ['worker_error', /^ended with exit code 1$/, /thrown in a thread/],
  ['guarded_worker', /^ended with exit code 1$/, /1 worker thread\(s\) started by test 'leaves a thread behind' still lived/],
  ['guarded_idle_worker', /^ended with exit code 1$/, /1 worker thread\(s\) started by test 'leaves an idle thread behind' still lived/],
  ['guarded_text', /^ended with exit code 1$/, /something that is not an Error was thrown: 'only a text'/],
  ['guarded_hang', /^ended with exit code 1$/, /deadline: test 'never settles' not finished after 50 ms/],
  ['guarded_bigint', /^ended with exit code 1$/, /Expected values to be deeply equal/],
];
for (const [name, reason, output = /^/] of bad) {
  test(`${name} is reported`, async () => {
    const result = await judge(name);
    assert.match(result.reason, reason);
    assert.match(result.output, output);
  });
}

test('outside CI a skipped test is only counted', async () => {
  const { reason, skipped } = await judge('left_over_only', true);
  assert.equal({ reason, skipped }, { reason: '', skipped: 1 });
});

test('a test that was not compiled is a failure', async () => {
  const { reason } = await runTestFile({ path: 'x.test.js', missing: 'x.test.ts is not compiled' }, { deadlineMs: 1, maySkip: true });
  assert.is(reason, 'x.test.ts is not compiled');
});

test('a second run with reclaim by age is told so, and has a name of its own', async () => {
  const run = (lru) => runTestFile({ path: trap('says_lru'), lru }, { deadlineMs: 4_000, maySkip: false });
  const second = await run(true);
  assert.equal([second.name.endsWith('says_lru.mjs (lru on)'), second.reason], [true, '']);
  assert.match(second.output, /FAULTLAB_LRU is 1/);
  assert.match((await run(false)).output, new RegExp(`FAULTLAB_LRU is ${process.env.FAULTLAB_LRU}`));
});

test('the traps are not among the tests of the workspace', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  assert.equal(
    findTests(root, ['traps']).map(({ path }) => path),
    [],
  );
  assert.is(findTests(root, ['run_tests.test']).length, 1);
});

function runner(...args) {
  const script = fileURLToPath(new URL('../run-tests.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env: { ...process.env, CI: '1' } });
  return { status, stderr, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

test('the closing line counts tests, and the exit code follows it', () => {
  const { status, lastLine } = runner(trap('good'), trap('failing_test'), trap('before_throws'), trap('left_over_only'));
  assert.equal({ status, lastLine }, { status: 1, lastLine: '3 passed, 3 failed, 1 skipped' });
  assert.equal(runner(trap('good')).status, 0);
});

test('a part that matches no test is a misuse, not a success', () => {
  const { status, stderr } = runner('no_such_test');
  assert.is(status, 2);
  assert.match(stderr, /^No test has 'no_such_test' in its path; give /);
});

test.run();

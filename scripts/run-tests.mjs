/**
 * Runs the tests of the workspace: every file in a process of its own, with a deadline, and with a verdict that does
 * not trust uvu's exit code (see lib/run_test_file.mjs for what counts as green).
 *
 *   node scripts/run-tests.mjs [PART...]
 *
 * A PART is a test file, or a part of the paths of the tests to run. TEST_JOBS processes run side by side (as many as
 * there are cores, when not given); a file may take TEST_TIMEOUT_MS (120,000). Under CI nothing may be skipped.
 * Some run twice: a second time with reclaim by age on. With FAULTLAB_LRU=0 or 1 each runs once, in that position.
 */

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { killRunning, runTestFile } from './lib/run_test_file.mjs';
import { findTests, inBothPositions } from './lib/test_files.mjs';

const JOBS = Number(process.env.TEST_JOBS ?? availableParallelism());
const DEADLINE_MS = Number(process.env.TEST_TIMEOUT_MS ?? 120_000);
const LINES_SHOWN = 100;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killRunning();
    process.exit(130);
  });
}

/** Runs `files` on JOBS lanes, printing a line for each as it ends. */
async function runAll(files) {
  const queue = [...files];
  const results = [];
  const lane = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runTestFile(file, { deadlineMs: DEADLINE_MS, maySkip: !process.env.CI });
      results.push(result);
      console.log(lineOf(result));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, JOBS) }, lane));
  return results;
}

function lineOf({ name, passed, total, ms, reason }) {
  const verdict = reason === '' ? 'ok  ' : 'FAIL';
  return `${verdict} ${name} ${passed}/${total} ${Math.round(ms)} ms${reason === '' ? '' : ` - ${reason}`}`;
}

/** Stacks name lines of compiled modules; they are shown with those of the sources. */
async function showAll(results) {
  const { inSource } = await import(new URL('../packages/workers/dist/source_lines.js', import.meta.url));
  for (const { name, output } of results) showOutput(name, inSource(output));
}

function showOutput(name, output) {
  const lines = output.trimEnd().split('\n');
  const shown = lines.slice(-LINES_SHOWN);
  console.log(`\n--- ${name}${shown.length < lines.length ? ` (last ${LINES_SHOWN} lines of ${lines.length})` : ''}`);
  console.log(shown.join('\n'));
}

const sum = (results, of) => results.reduce((total, result) => total + of(result), 0);

const parts = process.argv.slice(2);
const files = inBothPositions(findTests(ROOT, parts));
if (files.length === 0) {
  console.error(`No test has '${parts.join("' or '")}' in its path; give a part of the path of a test file.`);
  process.exit(2);
}
const results = await runAll(files);
const bad = results.filter((result) => result.reason !== '');
if (bad.length > 0) await showAll(bad);

// A file that is bad for a reason that no single test shows counts as one failed test.
const failed = sum(results, ({ reason, total, passed }) => (reason === '' ? 0 : Math.max(1, total - passed)));
console.log(`\n${sum(results, (result) => result.passed)} passed, ${failed} failed, ${sum(results, (result) => result.skipped)} skipped`);
process.exitCode = failed === 0 ? 0 : 1;

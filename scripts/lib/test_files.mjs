/**
 * Finds the tests by their sources, never by what lies in dist-test: a compiled test whose source was removed does not
 * run, and a source that was not compiled is a failure.
 */

import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { filesBelow, packageFolders } from './files.mjs';

/**
 * Tests that run a second time with reclaim by age on (FAULTLAB_LRU=1): every row of the table of faults, what runs out of memory, pages on the
 * move, and the rules. The others must pass there too: `FAULTLAB_LRU=1 node scripts/run-tests.mjs core`.
 */
const WITH_LRU = [
  'core/test/fault/rows_',
  'core/test/fault/handle_mm_fault',
  'core/test/fault/gup',
  'core/test/fault/special_races',
  'core/test/fault/swap_races',
  'core/test/syscalls/out_of_memory',
  'core/test/syscalls/userfaultfd.',
  'core/test/syscalls/special_',
  'core/test/invariants/broken_at_rest',
  'core/test/invariants/broken_while_running',
];

/** Adds the second runs of `tests`: `{ path, missing, lru: true }`. None when this process was told a position itself. */
export function inBothPositions(tests) {
  if (process.env.FAULTLAB_LRU !== undefined) return tests;
  const again = tests.filter(({ path }) => WITH_LRU.some((part) => path.replace('dist-test', 'test').includes(part)));
  return [...tests, ...again.map((test) => ({ ...test, lru: true }))];
}

/**
 * Returns `{ path, missing }` for each test below `root` whose path contains one of `parts` (all, when there are none).
 * `missing` says why it cannot be run, and is empty when it can. A part that is an existing .mjs file is that test.
 */
export function findTests(root, parts) {
  const given = parts.filter((part) => part.endsWith('.mjs') && existsSync(part));
  if (given.length > 0) return given.map((path) => ({ path, missing: '' }));
  const tests = [...packageFolders(root).flatMap(compiledTests), ...scriptTests(join(root, 'scripts', 'test'))];
  return tests.filter(({ path }) => parts.length === 0 || parts.some((part) => relative(root, path).includes(part)));
}

function compiledTests(folder) {
  const sources = filesBelow(join(folder, 'test')).filter((path) => path.endsWith('.test.ts'));
  return sources.map((source) => {
    const path = join(folder, 'dist-test', relative(join(folder, 'test'), source).replace(/\.ts$/, '.js'));
    return { path, missing: existsSync(path) ? '' : `${source} is not compiled; run the build` };
  });
}

function scriptTests(folder) {
  return filesBelow(folder)
    .filter((path) => path.endsWith('.test.mjs'))
    .map((path) => ({ path, missing: '' }));
}

/** Outputs of removed sources are found, and tests are found by their sources. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { assert, suite } from '@faultlab/test-support';
import { outputFolders, staleOutputs } from '../lib/outputs.mjs';
import { findTests } from '../lib/test_files.mjs';

const test = suite('build');

/** A folder with these empty files, for as long as the body runs. */
function withTree(paths, body) {
  const root = mkdtempSync(join(tmpdir(), 'faultlab-'));
  try {
    for (const path of paths) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), '');
    }
    return body(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('an output is stale when its source is gone, and nothing else is', () => {
  const core = 'packages/core';
  const kept = [`${core}/src/mm/kept.ts`, `${core}/dist/mm/kept.js`, `${core}/dist/mm/kept.d.ts.map`, `${core}/dist/.tsbuildinfo`];
  const gone = [`${core}/dist/mm/gone.d.ts`, `${core}/dist/mm/gone.js`, `${core}/dist-test/gone.test.js`];
  withTree([...kept, ...gone], (root) => {
    const stale = outputFolders(root).flatMap(({ source, output }) => staleOutputs(source, output));
    assert.equal(
      stale.map((path) => relative(root, path)),
      gone,
    );
  });
});

test('a compiled test without a source does not run, and a source that is not compiled is missing', () => {
  const files = [
    'packages/core/test/a.test.ts',
    'packages/core/dist-test/a.test.js',
    'packages/core/dist-test/gone.test.js',
    'packages/bench/test/b.test.ts',
  ];
  withTree(files, (root) => {
    const found = findTests(root, []).map(({ path, missing }) => [relative(root, path), missing === '']);
    assert.equal(found, [
      ['packages/bench/dist-test/b.test.js', false],
      ['packages/core/dist-test/a.test.js', true],
    ]);
  });
});

test.run();

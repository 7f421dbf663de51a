/** Places in compiled and joined modules are told by the lines of the sources, and everything else is left alone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invariant } from '@faultlab/core/base/assert';
import { assert, suite } from '@faultlab/test-support';
import { inSource } from '@faultlab/workers/source_lines';

const test = suite('source lines');

/** Line 2, column 3 of the module is line 4, column 5 of the source. */
const MAP = { version: 3, sources: ['../src/a.ts'], names: [], mappings: ';EAGI' };

function withModule(body: (path: string) => void, map: string = JSON.stringify(MAP)): void {
  const folder = mkdtempSync(join(tmpdir(), 'faultlab-'));
  try {
    writeFileSync(join(folder, 'a.js'), '');
    writeFileSync(join(folder, 'a.js.map'), map);
    body(join(folder, 'a.js'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('a place is told by its source, as a path and as a URL, with what stands around it', () =>
  withModule((path) => {
    const source = join(path, '../../src/a.ts');
    assert.is(inSource(`    at f (${path}:2:3)`), `    at f (${source}:4:5)`);
    assert.is(inSource(`    at async file://${path}:2:9\nnext`), `    at async ${source}:4:5\nnext`);
  }));

test('a place that the map does not know, and a module without a map, stay as they are', () =>
  withModule((path) => {
    for (const text of [`at ${path}:1:1`, 'at /nowhere/b.js:1:1', 'at node:internal/x:1:1', 'no place at all', ''])
      assert.is(inSource(text), text);
  }));

test('the stack of a broken rule leads to the file of the model that found it', () => {
  let stack = '';
  try {
    invariant(false, 'I01', 'for a test');
  } catch (error) {
    stack = (error as Error).stack ?? '';
  }
  assert.match(stack, /\/bundle\/all\.js:/);
  const [, path = '', line] =
    /\((.*\/core\/src\/base\/assert\.ts):(\d+):\d+\)\n.*\/workers\/test\/source_lines\.test\.ts:/.exec(inSource(stack)) ?? [];
  assert.match(readFileSync(path, 'utf8').split('\n')[Number(line) - 1] ?? '', /throw new InvariantError/);
});

test.run();

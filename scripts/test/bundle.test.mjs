/** Joined modules are what the modules were: each exists once, knows where it is, and is found by its path; nothing old stays behind. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { assert, suite } from '@faultlab/test-support';
import { bundle } from '../lib/bundle.mjs';

const test = suite('bundle');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAP = JSON.stringify({ version: 3, sources: [], names: [], mappings: '' });

const MODULES = {
  'core/dist/state.js': 'let count = 0;\nexport const next = () => ++count;\n',
  'core/dist/deep/user.js':
    "import { next } from '../state.js';\nexport const twice = () => next() + next();\nexport const here = new URL('./other.js', import.meta.url).href;\n",
  'core/dist/gone.js': 'export const gone = 1;\n',
  'workers/dist/entry/cpu_main.js': "import { next } from '@faultlab/core/state';\nexport default () => next();\n",
  'workers/dist/news.js': 'export const news = (globalThis.started ?? 0) + 1;\n',
  'workers/dist/device_main.js': "import { news } from './news.js';\nglobalThis.started = news;\n",
  'workers/dist/machine.js': "import { news } from './news.js';\nglobalThis.loaded = 'machine';\nexport const machine = news;\n",
  'workers/dist/index.js': "export { machine } from './machine.js';\nexport const drawn = () => import('./html_report/write_report.js');\n",
  'workers/dist/cli/main.js': "export { machine as main } from '../machine.js';\n",
  'workers/dist/html_report/write_report.js':
    "import { machine } from '../machine.js';\nglobalThis.loaded = 'charts';\nexport const chart = machine;\n",
};

async function withPackages(body) {
  const root = mkdtempSync(join(tmpdir(), 'faultlab-'));
  try {
    for (const [path, code] of Object.entries(MODULES)) write(root, path, code);
    return await body(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

function write(root, path, code) {
  const file = join(root, 'packages', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
  writeFileSync(`${file}.map`, MAP);
}

const load = (root, path) => import(pathToFileURL(join(root, 'packages', path)).href);

test('a module that two others import exists once, and import.meta.url says where the module itself is', () =>
  withPackages(async (root) => {
    await bundle(root);
    const { twice, here } = await load(root, 'core/bundle/deep/user.js');
    const { next } = await load(root, 'core/bundle/state.js');
    const { default: cpuMain } = await load(root, 'workers/bundle/entry/cpu_main.js');
    assert.is(twice(), 3);
    assert.is(next(), 3);
    assert.is(cpuMain(), 4, 'a module of the other package meets the same state');
    assert.is(here, pathToFileURL(join(root, 'packages/core/bundle/deep/other.js')).href);
  }));

test('what runs is the body of one function, and exports everything under its own name', async () => {
  for (const path of ['packages/core/bundle/all.js', 'packages/workers/bundle/thread.js', 'packages/workers/bundle/tool.js']) {
    const text = readFileSync(join(ROOT, path), 'utf8');
    assert.match(text, /^(?:import .*\n)*const \$joined = \(\(\) => \{ /, path);
    assert.is(text.match(/^(?:import|export) /gm)?.filter((word) => word === 'export ').length ?? 0, 0, path);
  }
  const names = Object.keys(await load(ROOT, 'core/bundle/all.js'));
  assert.ok(names.includes('do_user_addr_fault'));
  assert.equal(
    names.filter((name) => name.includes('$joined') || name.startsWith('$out')),
    [],
  );
});

test('a module that starts something is run by nobody but the thread that loads it', () =>
  withPackages(async (root) => {
    await bundle(root);
    globalThis.started = 0;
    await load(root, 'workers/bundle/machine.js');
    await load(root, 'workers/bundle/entry/cpu_main.js');
    assert.is(globalThis.started, 0);
    await load(root, 'workers/bundle/device_main.js');
    assert.is(globalThis.started, 1);
  }));

test('a thread loads nothing of the tool, and the tool no charts before they are drawn', () =>
  withPackages(async (root) => {
    await bundle(root);
    globalThis.loaded = 'nothing';
    await load(root, 'workers/bundle/device_main.js');
    assert.is(globalThis.loaded, 'nothing');
    const { drawn } = await load(root, 'workers/bundle/index.js');
    assert.is(globalThis.loaded, 'machine');
    await drawn();
    assert.is(globalThis.loaded, 'charts');
  }));

test('joining again does nothing when nothing changed, and leaves nothing of a module that is gone', () =>
  withPackages(async (root) => {
    await bundle(root);
    const stamp = join(root, 'packages/core/bundle/.stamp');
    const { mtimeMs } = statSync(stamp);
    await bundle(root);
    assert.is(statSync(stamp).mtimeMs, mtimeMs);
    assert.ok(existsSync(join(root, 'packages/core/bundle/gone.js')));
    rmSync(join(root, 'packages/core/dist/gone.js'));
    await bundle(root);
    assert.not(existsSync(join(root, 'packages/core/bundle/gone.js')));
    assert.not(existsSync(join(root, 'packages/core/bundle/gone.js.map')));
  }));

test('an import of nothing fails the build', () =>
  withPackages(async (root) => {
    write(root, 'core/dist/wrong.js', "export { nothing } from './state.js';\n");
    const failure = await bundle(root).then(
      () => 'none',
      (error) => error.message,
    );
    assert.match(failure, /nothing/);
  }));

test.run();

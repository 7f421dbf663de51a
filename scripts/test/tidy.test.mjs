/** Each check of tidy is shown failing on a tiny bad source, and silent on its good neighbour. */

import { assert, suite } from '@faultlab/test-support';
import { importsOf, readSource } from '../lib/source_text.mjs';
import { CHECKS } from '../lib/tidy_checks.mjs';

const test = suite('tidy');
const CORE = 'packages/core/src/';
const OPENING = '/** An idea. */\n';
const MACHINE_PATH = ['', 'work', 'shared'].join('/');

/** Runs one check over `{ path: text }`; returns its problems as `path:line message`. */
function problemsOf(name, sources) {
  const files = Object.entries(sources).map(([path, text]) => ({ path, text, ...readSource(text) }));
  return CHECKS[name](files).map(({ path, line, message }) => `${path}:${line} ${message}`);
}

/** [check, bad sources, the problem, good sources] */
const cases = [
  [
    'packageDirection',
    { [`${CORE}mm/a.ts`]: "\nimport { x } from '@faultlab/workers';" },
    /a\.ts:2 core may not import workers/,
    { 'packages/bench/src/a.ts': "import { x } from '@faultlab/workers/machine';" },
  ],
  [
    'packageDirection',
    { 'packages/workers/src/a.ts': "export { x } from '@faultlab/bench/a';" },
    /workers may not import bench/,
    { 'packages/workers/src/a.ts': "import Piscina from 'piscina';\nimport { x } from '@faultlab/core';" },
  ],
  [
    'packageDirection',
    { [`${CORE}mm/a.ts`]: "const x = await import('valibot');" },
    /core depends on no package/,
    { 'packages/core/test/a.test.ts': "import { x } from '@faultlab/core/mm/a';\nimport * as fc from 'fast-check';" },
  ],
  [
    'packageDirection',
    { 'packages/core/test/a.test.ts': "import { x } from '../src/a.ts';" },
    /leaves packages\/core\/test\//,
    { 'packages/core/test/mm/a.test.ts': "import { x } from '../fixtures/a.ts';" },
  ],
  [
    'packageDirection',
    { 'packages/workers/src/a.ts': "import type { X } from '@faultlab/test-support';" },
    /is for tests/,
    { 'packages/workers/test/a.test.ts': "import { suite } from '@faultlab/test-support';" },
  ],
  [
    'coreLayers',
    { [`${CORE}locking/a.ts`]: "import type { X } from '../mm/x.ts';", [`${CORE}mm/x.ts`]: '' },
    /locking\/a\.ts:1 '\.\.\/mm\/x\.ts' is a layer above/,
    {
      [`${CORE}mm/a.ts`]: "import { x } from '../locking/x.ts';\nimport { y } from './y.ts';",
      [`${CORE}sched/b.ts`]: "import { c } from '../cpu.ts';",
    },
  ],
  ['coreLayers', { [`${CORE}util/a.ts`]: '' }, /is in no layer/, { [`${CORE}index.ts`]: "export { x } from './mm/x.ts';" }],
  [
    'noCycles',
    { [`${CORE}mm/a.ts`]: "import { b } from './b.ts';", [`${CORE}mm/b.ts`]: "import type { A } from './a.ts';" },
    /Import cycle: a\.ts -> b\.ts -> a\.ts/,
    { [`${CORE}mm/a.ts`]: "import { b } from './b.ts';\n// import { a } from './a.ts';", [`${CORE}mm/b.ts`]: '' },
  ],
  [
    'atomicsInFunnel',
    { [`${CORE}mm/a.ts`]: '\n\nAtomics.load(words, 0);' },
    /a\.ts:3 Only memory/,
    { [`${CORE}memory/atomic_ops.ts`]: 'Atomics.load(words, 0);', [`${CORE}mm/a.ts`]: "// Atomics\nconst name = 'Atomics';" },
  ],
  [
    'corePurity',
    { [`${CORE}mm/a.ts`]: "import fs from 'node:fs';" },
    /core runs without Node/,
    { 'packages/workers/src/a.ts': "import fs from 'node:fs';" },
  ],
  ...['Date.now()', 'new Date', 'performance.now()', 'process.exit()', 'console.log(1)', 'Math.random()', 'setTimeout(f)'].map((call) => [
    'corePurity',
    { [`${CORE}mm/a.ts`]: `const x = \`\${${call}}\`;` },
    /core may not use/,
    { [`${CORE}mm/a.ts`]: `// ${call}\nconst x = 'my ${call}' + own.process.id + Math.max(1, 2);` },
  ]),
  [
    'testsRun',
    { 'packages/core/test/a.test.ts': '// test.run();\n' },
    /ends with \.run/,
    { 'packages/core/test/a.test.ts': 'test.run();\n// the end' },
  ],
  [
    'noOnly',
    { 'packages/core/test/a.test.ts': "test.only('x', f);" },
    /'\.only\(' passes over/,
    { 'packages/core/test/a.test.ts': "'.only('" },
  ],
  [
    'noExportStar',
    { [`${CORE}index.ts`]: "export * from './a.ts';" },
    /one by one/,
    { [`${CORE}index.ts`]: "export { a } from './a.ts';" },
  ],
  ['fileLength', { [`${CORE}mm/a.ts`]: 'x;\n'.repeat(451) }, /at most 450 lines/, { [`${CORE}mm/a.ts`]: 'x;\n'.repeat(450) }],
  ['opensWithComment', { [`${CORE}mm/a.ts`]: 'const a = 1;' }, /opens with a comment/, { [`${CORE}mm/a.ts`]: OPENING }],
  ...['TODO', 'FIXME', 'XXX', 'stub', 'placeholder'].map((word) => [
    'noLeftOvers',
    { [`${CORE}mm/a.ts`]: `// ${word}: later` },
    /marks unfinished work/,
    { [`${CORE}mm/a.ts`]: `// un${word}like` },
  ]),
  [
    'noMachinePaths',
    { 'README.md': `see ${MACHINE_PATH}/x` },
    /on one machine only/,
    { 'README.md': 'see packages/work/x and .github/workflows' },
  ],
  [
    'invariantsTested',
    {},
    /list of invariants is missing/,
    { 'docs/INVARIANTS.md': '| ID | fact | test |\n|---|---|---|\n| I01 | a | - |' },
  ],
  [
    'invariantsTested',
    { 'docs/INVARIANTS.md': '| id | test |\n|---|---|\n| I01 | `core/test/a.test.ts` |' },
    /INVARIANTS\.md:3 I01: there is no test file core\/test\/a\.test\.ts/,
    {
      'docs/INVARIANTS.md': '| id | test |\n|---|---|\n| I01 | `core/test/a.test.ts` |',
      'packages/core/test/a.test.ts': "test('I01 is caught')",
    },
  ],
  [
    'invariantsTested',
    { 'docs/INVARIANTS.md': '| id | test |\n|---|---|\n| I01 | `a.test.ts` |', 'a.test.ts': "test('I011')" },
    /a\.test\.ts does not name I01/,
    { 'docs/INVARIANTS.md': '| id | test |\n|---|---|\n| **I01** | `a.test.ts` |', 'a.test.ts': "test('I01')" },
  ],
];

cases.forEach(([check, bad, problem, good], index) => {
  test(`${check} sees a bad source, and only that (case ${index})`, () => {
    const problems = problemsOf(check, bad);
    assert.is(problems.length, 1, problems.join('\n'));
    assert.match(problems[0], problem);
    assert.equal(problemsOf(check, good), []);
  });
});

test('every check has a case here', () => {
  const tried = new Set(cases.map(([check]) => check));
  assert.equal(
    Object.keys(CHECKS).filter((check) => !tried.has(check)),
    [],
  );
});

test('comments, texts, templates and patterns are told from code', () => {
  const source = "a /* b */ 'c' `d${e}f` + /g[/]/ / h / i // k\nl";
  assert.is(readSource(source).code, "a         ' ' ` ${e} ` + /    / / h / i     \nl");
  assert.is(readSource(source).uncommented, "a         'c' `d${e}f` + /g[/]/ / h / i     \nl");
});

test('imports are found in each of their forms', () => {
  const source =
    "import a, { b } from 'one';\nimport 'two';\nexport type {\n  C,\n} from 'three';\nimport * as d from \"four\";\nawait import('five');\nconst from = 'six';";
  assert.equal(
    importsOf(source).map(({ specifier }) => specifier),
    ['one', 'two', 'three', 'four', 'five'],
  );
});

test.run();

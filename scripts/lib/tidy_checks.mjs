/**
 * The rules of this repository that a machine can check, each a pure function from files to problems.
 * A file is `{ path, text, uncommented, code }`, with a path from the root of the repository and forward slashes.
 * A problem is `{ path, line, message }`, and its message says what to do.
 */

import { posix } from 'node:path';
import { importsOf, lineAt } from './source_text.mjs';

const LINES_MAX = 450;

/** Core's folders from the bottom up; what stands in one row may import each other. */
const CORE_LAYERS = [
  ['base'],
  ['mutants'],
  ['memory'],
  ['trace'],
  ['policy'],
  ['cpu.ts', 'sched'],
  ['locking'],
  ['locks', 'locks.ts'],
  ['slab'],
  ['mm'],
  ['io'],
  ['reclaim'],
  ['fault'],
  ['syscalls'],
  ['user'],
  ['boot.ts'],
  ['invariants'],
  ['index.ts'],
];

/** What each part of the workspace may import from the others. */
const MAY_IMPORT = {
  core: [],
  workers: ['core'],
  bench: ['core', 'workers'],
};

/** What only tests may use. */
const TEST_ONLY = /^(?:@faultlab\/test-support|uvu|fast-check)(?:\/|$)/;

const CORE_SRC = 'packages/core/src/';
const FUNNEL = /^packages\/core\/src\/memory\/(?:atomic\w*|park)\.ts$/;

const isSource = ({ path }) => /^packages\/\w+\/src\/.*\.ts$/.test(path);
const isCore = ({ path }) => path.startsWith(CORE_SRC) && path.endsWith('.ts');
const isTest = ({ path }) => path.endsWith('.test.ts') || path.endsWith('.test.mjs');
const isCode = ({ path }) => /\.(?:ts|mts|mjs|js)$/.test(path);

/** A problem for every match of `pattern` in one of the three readings of a file. */
function findAll(files, reading, pattern, message) {
  return files.flatMap((file) =>
    [...file[reading].matchAll(pattern)].map((match) => ({
      path: file.path,
      line: lineAt(file[reading], match.index),
      message: message(match),
    })),
  );
}

function importProblems(files, judge) {
  return files.flatMap((file) =>
    importsOf(file.uncommented).flatMap(({ specifier, position }) => {
      const message = judge(file, specifier);
      return message === '' ? [] : [{ path: file.path, line: lineAt(file.uncommented, position), message }];
    }),
  );
}

const resolve = (file, specifier) => posix.join(posix.dirname(file.path), specifier);

/** bench may import workers and core, workers may import core, core imports nothing; no path leaves its package. */
function packageDirection(files) {
  const inside = files.filter((file) => isCode(file) && /^packages\/\w+\//.test(file.path));
  return importProblems(inside, (file, specifier) => {
    const home = file.path.split('/')[1];
    if (specifier.startsWith('.')) {
      const folder = `packages/${home}/${file.path.split('/')[2]}/`;
      return resolve(file, specifier).startsWith(folder) ? '' : `'${specifier}' leaves ${folder}; import the package by its name.`;
    }
    if (isSource(file) && TEST_ONLY.test(specifier)) return `'${specifier}' is for tests; a source may not import it.`;
    const other = /^@faultlab\/(\w+)/.exec(specifier)?.[1];
    if (other === undefined) {
      return isCore(file) ? `core depends on no package, so it cannot import '${specifier}'.` : '';
    }
    const allowed = [...(MAY_IMPORT[home] ?? []), ...(isSource(file) ? [] : [home])];
    return other === 'test' || allowed.includes(other) ? '' : `${home} may not import ${other}; the direction is bench, workers, core.`;
  });
}

/** Inside core a folder imports from itself and from the layers below. */
function coreLayers(files) {
  const layerOf = (path) => CORE_LAYERS.findIndex((names) => names.includes(path.slice(CORE_SRC.length).split('/')[0]));
  const core = files.filter(isCore);
  const homeless = core
    .filter(({ path }) => layerOf(path) < 0)
    .map(({ path }) => ({ path, line: 1, message: 'This file is in no layer; put it into one of the folders of core.' }));
  const upward = importProblems(core, (file, specifier) => {
    if (!specifier.startsWith('.')) return '';
    const target = resolve(file, specifier);
    if (!target.startsWith(CORE_SRC) || layerOf(file.path) < 0) return '';
    return layerOf(target) <= layerOf(file.path) ? '' : `'${specifier}' is a layer above this file; imports go down.`;
  });
  return [...homeless, ...upward];
}

/** No file imports itself, by whatever way, types included. One problem per cycle. */
function noCycles(files) {
  const sources = new Map(files.filter(isSource).map((file) => [file.path, file]));
  const edges = (path) => {
    const file = sources.get(path);
    const targets = importsOf(file.uncommented).filter(({ specifier }) => specifier.startsWith('.'));
    return targets.map(({ specifier }) => resolve(file, specifier)).filter((target) => sources.has(target));
  };
  const problems = [];
  const done = new Set();
  const visit = (path, trail) => {
    if (trail.includes(path)) {
      const cycle = [...trail.slice(trail.indexOf(path)), path].map((name) => posix.basename(name));
      problems.push({ path, line: 1, message: `Import cycle: ${cycle.join(' -> ')}; move what both need into a file below them.` });
    } else if (!done.has(path)) {
      for (const target of edges(path)) visit(target, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of sources.keys()) visit(path, []);
  return problems;
}

function atomicsInFunnel(files) {
  const outside = files.filter((file) => isCore(file) && !FUNNEL.test(file.path));
  return findAll(outside, 'code', /\bAtomics\b/g, () => 'Only memory/atomic*.ts and memory/park.ts name Atomics; call their functions.');
}

function corePurity(files) {
  const core = files.filter(isCore);
  const globals = /(?<![.\w$])(Date|performance|process|console|Buffer|setTimeout|setInterval)\s*[.(]|new (Date)\b|\b(Math\.random)\b/g;
  return [
    ...importProblems(core, (_, specifier) =>
      specifier.startsWith('node:') ? `core runs without Node; '${specifier}' is for workers.` : '',
    ),
    ...findAll(
      core,
      'code',
      globals,
      ([, name, date, random]) => `core may not use ${name ?? date ?? random}; it is given time, chance and output.`,
    ),
  ];
}

function testsRun(files) {
  return files
    .filter((file) => isTest(file) && !/\.run\(\);?\s*$/.test(file.code))
    .map(({ path, text }) => ({
      path,
      line: lineAt(text, text.length),
      message: 'A test file ends with .run(); without it no test runs.',
    }));
}

function noOnly(files) {
  return findAll(files.filter(isTest), 'code', /\.(?:only|skip)\(/g, ([call]) => `'${call}' passes over other tests; remove it.`);
}

function noExportStar(files) {
  return findAll(
    files.filter(isCode),
    'code',
    /\bexport\s*\*/g,
    () => 'Export names one by one, so that a reader finds where each comes from.',
  );
}

function fileLength(files) {
  return files
    .filter(isCode)
    .filter(({ text }) => text.trimEnd().split('\n').length > LINES_MAX)
    .map(({ path }) => ({ path, line: LINES_MAX + 1, message: `A file has at most ${LINES_MAX} lines; split it by ideas.` }));
}

function opensWithComment(files) {
  const opening = /^(?:#!.*\n)?\s*\/[/*]/;
  return files
    .filter((file) => isSource(file) && !opening.test(file.text))
    .map(({ path }) => ({ path, line: 1, message: 'A source opens with a comment that says its idea in one sentence.' }));
}

function noLeftOvers(files) {
  return findAll(files.filter(isSource), 'text', /\b(?:TODO|FIXME|XXX|stub(?:s|bed)?|placeholders?)\b/gi, ([word]) => {
    return `'${word}' marks unfinished work; finish it, or leave it out.`;
  });
}

function noMachinePaths(files) {
  const pattern = /(?<![\w.~-])\/(?:work|farm)\/[\w.]/g;
  return findAll(files, 'text', pattern, ([path]) => `'${path}...' exists on one machine only; use a path inside the repository.`);
}

const INVARIANTS = 'docs/INVARIANTS.md';

/** A row of docs/INVARIANTS.md that names tests in its column "test" is true: they exist, and they name the id. */
function invariantsTested(files) {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const document = byPath.get(INVARIANTS);
  if (document === undefined) return [{ path: INVARIANTS, line: 1, message: 'The list of invariants is missing.' }];
  const rows = tableRows(document.text, 'test');
  if (rows.length === 0) return [{ path: INVARIANTS, line: 1, message: 'No table here has the columns "id" and "test".' }];
  return rows.flatMap(({ id, cell, line }) => {
    const named = [...cell.matchAll(/[\w./-]+\.test\.(?:ts|mjs)/g)].map(([path]) => path);
    return named.flatMap((path) => {
      const test = byPath.get(path) ?? byPath.get(`packages/${path}`);
      if (test === undefined) return [{ path: INVARIANTS, line, message: `${id}: there is no test file ${path}.` }];
      if (new RegExp(`\\b${id}\\b`).test(test.text)) return [];
      return [{ path: INVARIANTS, line, message: `${id}: ${path} does not name ${id}; break ${id} there and see it caught.` }];
    });
  });
}

/** The rows of every Markdown table that has a column `id` and the column wanted. */
function tableRows(text, column) {
  const rows = [];
  let header = [];
  text.split('\n').forEach((content, index) => {
    const cells = content.trim().startsWith('|')
      ? content
          .trim()
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim())
      : [];
    if (cells.length === 0) header = [];
    else if (header.length === 0) header = cells.map((cell) => cell.toLowerCase());
    else if (header.includes('id') && header.includes(column) && !/^:?-+:?$/.test(cells[0])) {
      const id = (cells[header.indexOf('id')] ?? '').replace(/[`*]/g, '');
      rows.push({ id, cell: cells[header.indexOf(column)] ?? '', line: index + 1 });
    }
  });
  return rows;
}

/** Every check by its name. */
export const CHECKS = {
  packageDirection,
  coreLayers,
  noCycles,
  atomicsInFunnel,
  corePurity,
  testsRun,
  noOnly,
  noExportStar,
  fileLength,
  opensWithComment,
  noLeftOvers,
  noMachinePaths,
  invariantsTested,
};

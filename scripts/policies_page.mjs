#!/usr/bin/env node
/**
 * Writes the tables of docs/POLICIES.md: the policies and their fields, and what one fault of each kind takes under each of them, by taking the
 * faults. With --check it only says whether the page is up to date. Needs a build.
 *
 *   node scripts/policies_page.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/POLICIES.md');
const START = '<!-- tables: made by scripts/policies_page.mjs -->';

const built = (path) => import(pathToFileURL(join(root, path)).href);
const { POLICIES } = await built('packages/core/bundle/policy/policies.js');
const { measureKinds } = await built('packages/workers/bundle/fault_kinds/measure.js');
const { lockTables } = await built('packages/workers/bundle/fault_kinds/lock_table.js');

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (header, rows) => [row(header), row(header.map(() => '---')), ...rows.map(row), ''];

function fields() {
  const names = Object.keys(POLICIES[0]).filter((name) => name !== 'name' && name !== 'summary');
  return table(
    ['field', ...POLICIES.map(({ name }) => name)],
    names.map((name) => [name, ...POLICIES.map((policy) => String(policy[name]))]),
  );
}

function text() {
  const all = POLICIES.map((policy) => ({ policy, counts: measureKinds(policy) }));
  const counts = lockTables(all).flatMap(({ title, header, rows }) => [`## ${title}`, '', ...table(header, rows)]);
  return [
    '## What they stand for',
    '',
    ...table(
      ['policy', 'what it stands for'],
      POLICIES.map(({ name, summary }) => [name, summary]),
    ),
    '## The records',
    '',
    ...fields(),
    ...counts,
  ].join('\n');
}

const current = readFileSync(page, 'utf8');
const wanted = `${current.slice(0, current.indexOf(START) + START.length)}\n\n${text()}`;
if (!process.argv.includes('--check')) writeFileSync(page, wanted);
else if (current !== wanted) {
  console.error('docs/POLICIES.md is not up to date; run node scripts/policies_page.mjs and commit the result.');
  process.exitCode = 1;
}

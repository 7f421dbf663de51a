#!/usr/bin/env node
/**
 * Writes the tables of docs/BENCHMARKS.md from the committed result files. With --check it only says whether the page is up to date.
 *
 *   node scripts/bench_page.mjs [--check]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, 'packages/bench/results');
const page = join(root, 'docs/BENCHMARKS.md');
const START = '<!-- results: made by scripts/bench_page.mjs -->';

const number = (value) => (Math.abs(value) >= 100 ? Math.round(value).toString() : value.toPrecision(3));

function verdict({ target, met }) {
  if (target === undefined) return '';
  if (met === undefined) return `${target}: not judged`;
  return `${target}: ${met ? 'met' : '**missed**'}`;
}

function section(file) {
  const { facts, results: rows } = JSON.parse(readFileSync(join(results, file), 'utf8'));
  const table = rows.map(
    (row) => `| ${row.benchmark} | ${row.task} | ${number(row.value)} ${row.unit} | ${verdict(row)} | ${row.detail ?? ''} |`,
  );
  return [
    `### ${facts.cores} cores, ${facts.cpu}, Node ${facts.node}, ${facts.system}`,
    '',
    '| benchmark | what | value | target | with it |',
    '| --- | --- | --- | --- | --- |',
    ...table,
    '',
  ].join('\n');
}

const current = readFileSync(page, 'utf8');
const head = current.slice(0, current.indexOf(START) + START.length);
const files = readdirSync(results)
  .filter((file) => file.endsWith('.json'))
  .sort();
const text = `${head}\n\n${files.map(section).join('\n')}`;

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (current !== text) {
  console.error('docs/BENCHMARKS.md is not up to date; run node scripts/bench_page.mjs and commit the result.');
  process.exitCode = 1;
}

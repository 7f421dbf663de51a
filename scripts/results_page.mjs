#!/usr/bin/env node
/**
 * Writes docs/RESULTS.md from the committed result files, results/*.json. With --check it only says whether the page is up to date. Needs a build.
 *
 *   node scripts/collect_results.mjs && node scripts/results_page.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs/RESULTS.md');
const START = '<!-- results: made by scripts/results_page.mjs -->';

const built = (path) => import(pathToFileURL(join(root, path)).href);
const { RESULT_FILES } = await built('packages/workers/bundle/results/result_files.js');
const { parseBranches, resultsPage } = await built('packages/workers/bundle/results/results_page.js');
const { parseComparison } = await built('packages/workers/bundle/compare/comparison_file.js');

const fileOf = (name) => readFileSync(join(root, `results/${name}.json`), 'utf8');
const comparisons = Object.fromEntries(RESULT_FILES.map(({ name }) => [name, parseComparison(fileOf(name), `results/${name}.json`)]));
const branches = parseBranches(fileOf('branches'), 'results/branches.json');

const current = readFileSync(page, 'utf8');
const wanted = `${current.slice(0, current.indexOf(START) + START.length)}\n\n${resultsPage({ comparisons, branches })}`;
if (!process.argv.includes('--check')) writeFileSync(page, wanted);
else if (current !== wanted) {
  console.error('docs/RESULTS.md is not up to date; run node scripts/results_page.mjs and commit the result.');
  process.exitCode = 1;
}

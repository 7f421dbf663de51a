#!/usr/bin/env node
/**
 * Writes docs/CLAIMS.md from the committed results of `faultlab claims` (results/claims.json): a table of verdicts, what did not hold and why, and each
 * claim with its figures. With --check it only says whether the page is what the file gives. Needs a build.
 *
 *   node scripts/claims_page.mjs [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (path) => import(pathToFileURL(join(root, path)).href);
const { readClaimsFile } = await built('packages/workers/bundle/claims/claims_file.js');
const { claimsPage } = await built('packages/workers/bundle/report/claims_page.js');

const page = join(root, 'docs/CLAIMS.md');
const wanted = claimsPage(readClaimsFile(join(root, 'results/claims.json')));
if (!process.argv.includes('--check')) writeFileSync(page, wanted);
else if (readFileSync(page, 'utf8') !== wanted) {
  console.error('docs/CLAIMS.md is not up to date; run node scripts/claims_page.mjs and commit the result.');
  process.exitCode = 1;
}

/**
 * Checks what design rules a machine can check (lib/tidy_checks.mjs), on every file that git knows or would add.
 *
 *   node scripts/tidy.mjs
 *
 * Prints a line per problem. Exit code 0 when there is none, else 1.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './lib/files.mjs';
import { readSource } from './lib/source_text.mjs';
import { CHECKS } from './lib/tidy_checks.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BINARY = /\.(?:gz|png|jpg|ico|wasm|zip)$/;

/** What git tracks or would track; every file of the tree where there is no git (an unpacked archive). */
function listFiles() {
  const git = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
  const paths = git.status === 0 ? git.stdout.split('\0') : filesBelow(ROOT).map((path) => relative(ROOT, path));
  return [...new Set(paths)].filter((path) => path !== '' && !BINARY.test(path) && existsSync(join(ROOT, path))).sort();
}

function load(path) {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const reading = /\.(?:ts|mts|mjs|js)$/.test(path) ? readSource(text) : { uncommented: '', code: '' };
  return { path, text, ...reading };
}

const files = listFiles().map(load);
const problems = Object.entries(CHECKS).flatMap(([name, check]) => check(files).map((problem) => ({ name, ...problem })));
for (const { path, line, message, name } of problems) console.log(`${path}:${line}: ${message} [${name}]`);
console.log(`tidy: ${Object.keys(CHECKS).length} checks, ${files.length} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
